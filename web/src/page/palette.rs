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
    warn: "#9a5b00",
    bad: "#b3400a",
    hue_lightness: 0.62,
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

    /// The colour of a workload: equal lightness and chroma, hues a golden angle apart. Grey for none.
    pub fn workload(&self, id: u32) -> String {
        if id == 0 {
            return self.soft.to_owned();
        }
        let hue = (f64::from(id) * 137.508 + 160.0) % 360.0;
        format!("oklch({} 0.12 {hue:.1})", self.hue_lightness)
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

    #[test]
    fn text_and_marks_can_be_seen_in_both_themes() {
        for p in [&LIGHT, &DARK] {
            for text in [p.ink, p.soft, p.accent, p.good, p.warn, p.bad] {
                for behind in [p.ground, p.panel, p.glass] {
                    assert!(contrast(text, behind) >= 4.5, "{text} on {behind}: {:.2}", contrast(text, behind));
                }
            }
            assert!(contrast(p.on_accent, p.accent) >= 4.5);
            for behind in [p.ground, p.panel, p.glass] {
                assert!(contrast(p.edge, behind) >= 3.0, "{} on {behind}: {:.2}", p.edge, contrast(p.edge, behind));
            }
        }
    }
}
