/** Which rows of a long list are on screen. Rows have one height. */
import { type RefObject, useLayoutEffect, useState } from "react";

const OVERSCAN = 8;

export interface Window {
  start: number;
  end: number;
}

export function windowOf(top: number, height: number, count: number, rowHeight: number): Window {
  const start = Math.max(0, Math.min(count, Math.floor(top / rowHeight) - OVERSCAN));
  return { start, end: Math.max(start, Math.min(count, Math.ceil((top + height) / rowHeight) + OVERSCAN)) };
}

export function useWindow(scroller: RefObject<HTMLElement | null>, count: number, rowHeight: number): Window {
  const [range, setRange] = useState<Window>({ start: 0, end: Math.min(count, 30) });
  useLayoutEffect(() => {
    const element = scroller.current;
    if (!element) return;
    let frame = 0;
    const measure = () => {
      frame = 0;
      const next = windowOf(element.scrollTop, element.clientHeight, count, rowHeight);
      setRange((before) => (before.start === next.start && before.end === next.end ? before : next));
    };
    const later = () => (frame ||= requestAnimationFrame(measure));
    measure();
    element.addEventListener("scroll", later, { passive: true });
    const resizes = new ResizeObserver(later);
    resizes.observe(element);
    return () => {
      cancelAnimationFrame(frame);
      element.removeEventListener("scroll", later);
      resizes.disconnect();
    };
  }, [scroller, count, rowHeight]);
  return { start: Math.min(range.start, count), end: Math.min(range.end, count) };
}
