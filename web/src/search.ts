// Search over all pages, by the find controller of pdf.js: it reads the text of every page, with or without accents, ligatures and
// hyphens, and says where the matches are.

import { EventBus, PDFFindController } from "pdfjs-dist/legacy/web/pdf_viewer.mjs";
import type { PDFDocumentProxy } from "pdfjs-dist";

/** Where a match is in the text of its page, in characters. */
export interface Match {
  start: number;
  length: number;
}

export interface Report {
  /** The number of the current match, from 1, and of all that have been found so far. */
  current: number;
  total: number;
  /** Whether pages are still being read. */
  busy: boolean;
  /** Whether none of the pages that have been read has any text, as in a scan. */
  empty: boolean;
}

export class Search {
  private readonly bus = new EventBus();
  private readonly controller: PDFFindController;
  private query = "";

  /** show gets the matches of a page and which of them is the current one, or -1. */
  constructor(pdf: PDFDocumentProxy, page: () => number, show: (page: number, matches: Match[], current: number) => void, report: (report: Report) => void) {
    const linkService = {
      pagesCount: pdf.numPages,
      get page(): number {
        return page();
      },
      set page(_: number) {}, // the viewer goes there when it shows the match
    };
    this.controller = new PDFFindController({ linkService: linkService as never, eventBus: this.bus, delay: 150 });
    this.controller.setDocument(pdf);
    this.bus.on("updatetextlayermatches", ({ pageIndex }: { pageIndex: number }) => {
      const { pageMatches, pageMatchesLength, selected, highlightMatches } = this.controller;
      for (let i = 0; i < pdf.numPages; i++) {
        if (pageIndex !== -1 && pageIndex !== i) continue;
        const starts: number[] = highlightMatches ? (pageMatches?.[i] ?? []) : [];
        const lengths: number[] = pageMatchesLength?.[i] ?? [];
        const matches = starts.map((start, n) => ({ start, length: lengths[n] ?? 0 }));
        show(i + 1, matches, selected?.pageIdx === i ? (selected.matchIdx ?? -1) : -1);
      }
    });
    const told = ({ matchesCount, state }: { matchesCount: { current: number; total: number }; state?: number }): void =>
      report({
        current: matchesCount.current, total: matchesCount.total, busy: state === 3,
        empty: !(this.controller._pageContents as (string | undefined)[]).some((page) => page?.trim()),
      });
    this.bus.on("updatefindmatchescount", told);
    this.bus.on("updatefindcontrolstate", told);
  }

  /** Searches for a text; for the same text it goes to the next match, or to the previous one. */
  find(query: string, previous = false): void {
    const type = query === this.query ? "again" : "";
    this.query = query;
    this.bus.dispatch("find", {
      source: this, type, query, caseSensitive: false, entireWord: false, highlightAll: true, findPrevious: previous, matchDiacritics: false,
    });
  }

  close(): void {
    this.query = "";
    this.bus.dispatch("findbarclose", { source: this });
  }
}
