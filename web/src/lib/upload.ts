// Sends a form with a file without leaving the page, which says how much has been sent.

import { announce, text } from "./page";

export interface Answer {
  /** Where the answer came from, after redirects. */
  url: string;
  page: Document;
}

/** Sends a form. Rejects without a connection; a refusal of the service is an answer. */
export async function upload(form: HTMLFormElement): Promise<Answer> {
  const bar = document.createElement("progress");
  bar.className = "panel-bar";
  bar.max = 100;
  bar.value = 0;
  const part = document.createElement("p");
  part.className = "upload-part";
  const show = (percent: number): void => {
    bar.value = percent;
    bar.setAttribute("aria-label", text("upload", percent));
    part.textContent = text("upload", percent);
  };
  show(0);
  form.append(bar, part);
  try {
    return await new Promise<Answer>((resolve, reject) => {
      const call = new XMLHttpRequest();
      call.upload.addEventListener("progress", (e) => {
        if (e.lengthComputable) show(Math.floor((e.loaded / e.total) * 100));
      });
      call.upload.addEventListener("load", () => announce(text("working")));
      call.addEventListener("load", () => {
        if (call.responseXML) resolve({ url: call.responseURL, page: call.responseXML });
        else reject(new Error("the answer is no page"));
      });
      call.addEventListener("error", () => reject(new Error("no connection")));
      call.open("POST", form.action);
      call.responseType = "document";
      call.send(new FormData(form));
    });
  } finally {
    bar.remove();
    part.remove();
  }
}
