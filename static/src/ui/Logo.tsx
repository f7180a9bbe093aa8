export function Logo({ size = 28 }: { size?: number }) {
  return (
    <svg width={size} height={size} viewBox="0 0 32 32" aria-hidden="true" focusable="false">
      <rect width="32" height="32" rx="8" fill="#0b7285" />
      <g fill="#fff">
        <rect x="8" y="7" width="7" height="6" rx="1.2" />
        <rect x="17" y="7" width="7" height="6" rx="1.2" opacity=".75" />
        <path d="M5 16h22l-2.6 6.6A3.8 3.8 0 0 1 20.9 25H11.1a3.8 3.8 0 0 1-3.5-2.4z" />
      </g>
    </svg>
  );
}
