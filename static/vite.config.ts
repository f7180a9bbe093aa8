import react from "@vitejs/plugin-react";
import { defineConfig } from "vitest/config";

// `vite preview` and `vite` (development) hand the web tier's paths on to a running one.
const web = process.env.BERTH_WEB ?? "http://127.0.0.1:8080";
const proxy = {
  "/api": { target: web },
  "/engine": { target: web },
  "/socket.io": { target: web, ws: true },
};

export default defineConfig({
  plugins: [react()],
  build: { outDir: "dist", sourcemap: false, target: "es2022", chunkSizeWarningLimit: 800 },
  server: { host: "127.0.0.1", proxy },
  preview: { host: "127.0.0.1", proxy },
  test: { environment: "happy-dom", include: ["tests/**/*.test.{ts,tsx}"] },
});
