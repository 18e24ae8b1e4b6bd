//! The colours, light and dark: one source for the canvas and, as custom properties, for the style sheet.

/// One theme's colours, as CSS colours in sRGB hexadecimal.
#[derive(Debug, PartialEq)]
pub struct Palette {
    /// Behind everything.
    pub ground: &'static str,
    /// Drawers and bars.
    pub panel: &'static str,
    /// A pane of glass.
    pub glass: &'static str,
    /// Its fill.
    pub fill: &'static str,
    /// Its edge, and other marks.
    pub edge: &'static str,
    /// Lines between things.
    pub line: &'static str,
    /// Text.
    pub ink: &'static str,
    /// Lesser text.
    pub soft: &'static str,
    /// What can be acted on.
    pub accent: &'static str,
    /// Text on the accent.
    pub on_accent: &'static str,
    /// Well.
    pub good: &'static str,
    /// Needs attention.
    pub warn: &'static str,
    /// Wrong.
    pub bad: &'static str,
    /// Lightness of workloads' hues in OKLCH.
    pub hue_lightness: f64,
}

/// Chroma of workloads' hues in OKLCH.
const HUE_CHROMA: f64 = 0.12;

/// Paper and ink.
pub const LIGHT: Palette = Palette {
    ground: "#f4f1ea",
    panel: "#fbf9f5",
    glass: "#fdfcf9",
    fill: "#dfe9ec",
    edge: "#5f7a88",
    line: "#d5d0c4",
    ink: "#1c2930",
    soft: "#55646d",
    accent: "#0a6580",
    on_accent: "#ffffff",
    good: "#00734f",
    warn: "#8a5200",
    bad: "#b3400a",
    hue_lightness: 0.58,
};

/// Deep water.
pub const DARK: Palette = Palette {
    ground: "#0a1a24",
    panel: "#0f2430",
    glass: "#11303e",
    fill: "#1a4454",
    edge: "#6f9db0",
    line: "#24414f",
    ink: "#e6f0f3",
    soft: "#a3bac4",
    accent: "#6fcbe6",
    on_accent: "#06202b",
    good: "#3fc79a",
    warn: "#f0b13e",
    bad: "#ff8f5a",
    hue_lightness: 0.74,
};

impl Palette {
    /// As custom properties of the root element.
    pub fn css(&self) -> String {
        format!(
            "--ground:{};--panel:{};--glass:{};--fill:{};--edge:{};--line:{};--ink:{};--soft:{};--accent:{};--on-accent:{};--good:{};--warn:{};--bad:{}",
            self.ground,
            self.panel,
            self.glass,
            self.fill,
            self.edge,
            self.line,
            self.ink,
            self.soft,
            self.accent,
            self.on_accent,
            self.good,
            self.warn,
            self.bad
        )
    }

    /// The colour of the cluster's own pods: as light as workloads are, and next to grey.
    pub fn system(&self) -> String {
        format!("oklch({} 0.02 230)", self.hue_lightness)
    }

    /// The colour of a workload: equal lightness and chroma, hues a golden angle apart. Grey for none.
    pub fn workload(&self, id: u32) -> String {
        if id == 0 {
            return self.soft.to_owned();
        }
        let hue = (f64::from(id) * 137.508 + 160.0) % 360.0;
        format!("oklch({} {HUE_CHROMA} {hue:.1})", self.hue_lightness)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn luminance(hex: &str) -> f64 {
        let channel = |i: usize| {
            let v = f64::from(u8::from_str_radix(&hex[i..i + 2], 16).expect("a hexadecimal colour")) / 255.0;
            if v <= 0.04045 { v / 12.92 } else { ((v + 0.055) / 1.055).powf(2.4) }
        };
        0.2126 * channel(1) + 0.7152 * channel(3) + 0.0722 * channel(5)
    }

    fn contrast(a: &str, b: &str) -> f64 {
        let (a, b) = (luminance(a), luminance(b));
        (a.max(b) + 0.05) / (a.min(b) + 0.05)
    }

    /// OKLCH in linear sRGB, clipped as a screen does.
    fn linear(lightness: f64, chroma: f64, hue_degrees: f64) -> [f64; 3] {
        let (a, b) = (chroma * hue_degrees.to_radians().cos(), chroma * hue_degrees.to_radians().sin());
        let l = (lightness + 0.396_337_777_4 * a + 0.215_803_757_3 * b).powi(3);
        let m = (lightness - 0.105_561_345_8 * a - 0.063_854_172_8 * b).powi(3);
        let s = (lightness - 0.089_484_177_5 * a - 1.291_485_548 * b).powi(3);
        [
            4.076_741_662_1 * l - 3.307_711_591_3 * m + 0.230_969_929_2 * s,
            -1.268_438_004_6 * l + 2.609_757_401_1 * m - 0.341_319_396_5 * s,
            -0.004_196_086_3 * l - 0.703_418_614_7 * m + 1.707_614_701 * s,
        ]
        .map(|v| v.clamp(0.0, 1.0))
    }

    #[test]
    fn text_and_marks_can_be_seen_in_both_themes() {
        for p in [&LIGHT, &DARK] {
            for text in [p.ink, p.soft, p.accent, p.good, p.warn, p.bad] {
                for behind in [p.ground, p.panel, p.glass, p.fill] {
                    // On a level only names and what is requested are written.
                    if behind == p.fill && ![p.ink, p.soft, p.bad].contains(&text) {
                        continue;
                    }
                    assert!(contrast(text, behind) >= 4.5, "{text} on {behind}: {:.2}", contrast(text, behind));
                }
            }
            assert!(contrast(p.on_accent, p.accent) >= 4.5);
            for mark in [p.edge, p.accent, p.good, p.warn, p.bad] {
                for behind in [p.ground, p.panel, p.glass, p.fill] {
                    assert!(contrast(mark, behind) >= 3.0, "{mark} on {behind}: {:.2}", contrast(mark, behind));
                }
            }
        }
    }

    #[test]
    fn every_workload_can_be_seen_and_none_shouts() {
        for p in [&LIGHT, &DARK] {
            for hue in 0..360 {
                let [r, g, b] = linear(p.hue_lightness, HUE_CHROMA, f64::from(hue));
                let y = 0.2126 * r + 0.7152 * g + 0.0722 * b;
                for behind in [p.ground, p.glass, p.fill] {
                    let other = luminance(behind);
                    let contrast = (y.max(other) + 0.05) / (y.min(other) + 0.05);
                    assert!(contrast >= 3.0, "hue {hue} on {behind}: {contrast:.2}");
                }
            }
            let hue = |id: u32| p.workload(id);
            assert!(hue(1) != hue(2) && hue(2) != hue(3));
        }
    }
}
