// A QR code reader for browsers without one of their own. It is loaded when the
// camera is on.

import jsQR from "jsqr";

export function decode(picture: ImageData): string | null {
  return jsQR(picture.data, picture.width, picture.height, { inversionAttempts: "dontInvert" })?.data ?? null;
}
