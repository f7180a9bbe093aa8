/** What is wrong between here and the engine; it goes by itself when it is well again. */
import { useEffect, useState } from "react";
import { useSeconds } from "../../core/clock";
import { t } from "../../core/i18n";
import { engineTrouble, stream } from "../../core/live";
import { useValue } from "../../core/store";
import { IconUnplugged } from "../../ui/icons";

export function Banner() {
  const connection = useValue(stream.connection);
  const engine = useValue(engineTrouble);
  const offline = useLasting(connection === "offline", 700);
  if (!offline && engine === null) return null;
  return (
    <div className="banner" role="status" data-testid="banner" data-kind={offline ? "web" : "engine"}>
      <IconUnplugged size={16} />
      <strong>{offline ? t("banner.web") : t("banner.engine")}</strong>
      <span className="banner-why">{offline ? "" : engine}</span>
      <Age />
    </div>
  );
}

export function LiveMark() {
  const connection = useValue(stream.connection);
  const engine = useValue(engineTrouble);
  const state = connection === "offline" ? "offline" : engine !== null ? "trouble" : connection === "connecting" ? "connecting" : "live";
  return (
    <span className="live-mark" data-state={state} data-testid="live-mark">
      <i aria-hidden="true" /> {t(`live.${state}`)}{state !== "live" && <Age />}
    </span>
  );
}

/** How old what is on screen is, while nothing new comes. */
function Age() {
  const now = useSeconds();
  if (!stream.heard) return null;
  return <span className="tabular live-age" data-testid="live-age"> · {t("live.as.of", { n: Math.max(0, Math.round((now - stream.heard) / 1000)) })}</span>;
}

/** True once `now` has been true for that long: a blip is not worth a banner. */
function useLasting(now: boolean, ms: number): boolean {
  const [lasting, setLasting] = useState(false);
  useEffect(() => {
    const timer = setTimeout(() => setLasting(now), now ? ms : 0);
    return () => clearTimeout(timer);
  }, [now, ms]);
  return lasting && now;
}
