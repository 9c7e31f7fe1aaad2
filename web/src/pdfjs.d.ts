// The builds that are bundled have no types of their own; they are the package's.
declare module "pdfjs-dist/legacy/web/pdf_viewer.mjs" {
  export * from "pdfjs-dist/web/pdf_viewer.mjs";
}

declare module "pdfjs-dist/legacy/build/pdf.worker.mjs";
