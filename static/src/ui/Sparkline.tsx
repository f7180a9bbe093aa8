/** A small chart on a canvas, drawn from the newest points; the scale grows with what it shows. */
import { useEffect, useRef } from "react";

interface Props {
  /** Values from old to new. */
  values: readonly number[];
  tone?: keyof typeof COLOURS;
  /** The scale reaches at least this far up. */
  atLeast: number;
  width?: number;
  height?: number;
}

const POINTS = 60;
/** Light and dark; asking the browser for a computed colour at each sample would cost a style pass. */
const COLOURS = { cpu: ["#1098ad", "#3bc9db"], mem: ["#7048e8", "#9775fa"] } as const;

export function Sparkline({ values, atLeast, tone = "cpu", width = 64, height = 22 }: Props) {
  const canvas = useRef<HTMLCanvasElement>(null);
  useEffect(() => {
    const element = canvas.current;
    const context = element?.getContext("2d");
    if (!element || !context) return;
    const scale = window.devicePixelRatio || 1;
    if (element.width !== Math.round(width * scale)) {
      element.width = Math.round(width * scale);
      element.height = Math.round(height * scale);
    }
    context.setTransform(scale, 0, 0, scale, 0, 0);
    context.clearRect(0, 0, width, height);
    const shown = values.slice(-POINTS);
    if (shown.length < 2) return;
    const top = Math.max(atLeast, ...shown) * 1.1;
    const x = (i: number) => width - ((shown.length - 1 - i) * width) / (POINTS - 1);
    const y = (v: number) => height - 1.5 - (v / top) * (height - 3);
    context.strokeStyle = COLOURS[tone][document.documentElement.dataset.mantineColorScheme === "dark" ? 1 : 0];
    context.fillStyle = context.strokeStyle;
    context.lineWidth = 1.25;
    context.lineJoin = "round";
    context.beginPath();
    shown.forEach((value, i) => (i ? context.lineTo(x(i), y(value)) : context.moveTo(x(0), y(value))));
    context.stroke();
    context.lineTo(x(shown.length - 1), height);
    context.lineTo(x(0), height);
    context.globalAlpha = 0.14;
    context.fill();
    context.globalAlpha = 1;
  });
  return <canvas ref={canvas} className="sparkline" style={{ width, height }} aria-hidden="true" />;
}
