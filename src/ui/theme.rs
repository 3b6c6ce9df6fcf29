//! Colours, spacing and text sizes: the only file that names a colour.

use eframe::egui::{
    self, Color32, CornerRadius, FontFamily, FontId, Margin, Shadow, Stroke, TextStyle, Visuals,
    vec2,
};

/// What widgets of the editor are drawn with, beyond egui's own visuals.
#[derive(Clone, Copy, Debug)]
pub struct Palette {
    /// Around the picture.
    pub pasteboard: Color32,
    /// Chosen tools, the Generate button, links.
    pub accent: Color32,
    /// Text on `accent` and on slot colours.
    pub on_accent: Color32,
    /// Cards: slots and results.
    pub card: Color32,
    /// Lines around cards.
    pub line: Color32,
    /// Body text.
    pub text: Color32,
    /// Text of less weight.
    pub weak: Color32,
    /// Errors.
    pub error: Color32,
    /// Warnings.
    pub warning: Color32,
    /// Starred results.
    pub star: Color32,
    /// The checkerboard under transparent pictures.
    pub checker: [Color32; 2],
    slots: [Color32; 8],
}

const DARK: Palette = Palette {
    pasteboard: Color32::from_rgb(0x14, 0x15, 0x17),
    accent: Color32::from_rgb(0x6c, 0xb2, 0xff),
    on_accent: Color32::from_rgb(0x0e, 0x14, 0x1c),
    card: Color32::from_rgb(0x29, 0x2b, 0x30),
    line: Color32::from_rgb(0x3d, 0x40, 0x47),
    text: Color32::from_rgb(0xe8, 0xe9, 0xec),
    weak: Color32::from_rgb(0xa9, 0xad, 0xb6),
    error: Color32::from_rgb(0xff, 0x85, 0x7a),
    warning: Color32::from_rgb(0xff, 0xc1, 0x5e),
    star: Color32::from_rgb(0xff, 0xcf, 0x4d),
    checker: [
        Color32::from_rgb(0x6a, 0x6c, 0x70),
        Color32::from_rgb(0x50, 0x52, 0x56),
    ],
    slots: [
        Color32::from_rgb(0x6c, 0xb2, 0xff),
        Color32::from_rgb(0xff, 0xb4, 0x54),
        Color32::from_rgb(0x7f, 0xd8, 0x8f),
        Color32::from_rgb(0xff, 0x8f, 0xb3),
        Color32::from_rgb(0xc7, 0x9b, 0xff),
        Color32::from_rgb(0x5f, 0xd6, 0xd0),
        Color32::from_rgb(0xf2, 0xdc, 0x5a),
        Color32::from_rgb(0xff, 0x94, 0x66),
    ],
};

const LIGHT: Palette = Palette {
    pasteboard: Color32::from_rgb(0xc9, 0xcb, 0xcf),
    accent: Color32::from_rgb(0x1b, 0x5f, 0xc4),
    on_accent: Color32::from_rgb(0xff, 0xff, 0xff),
    card: Color32::from_rgb(0xff, 0xff, 0xff),
    line: Color32::from_rgb(0xc4, 0xc7, 0xcd),
    text: Color32::from_rgb(0x1c, 0x1e, 0x22),
    weak: Color32::from_rgb(0x55, 0x5a, 0x63),
    error: Color32::from_rgb(0xb4, 0x23, 0x18),
    warning: Color32::from_rgb(0x8a, 0x55, 0x00),
    star: Color32::from_rgb(0xb0, 0x78, 0x00),
    checker: [
        Color32::from_rgb(0xff, 0xff, 0xff),
        Color32::from_rgb(0xdc, 0xde, 0xe1),
    ],
    slots: [
        Color32::from_rgb(0x1b, 0x5f, 0xc4),
        Color32::from_rgb(0x9a, 0x56, 0x00),
        Color32::from_rgb(0x1d, 0x73, 0x32),
        Color32::from_rgb(0xb4, 0x2d, 0x5c),
        Color32::from_rgb(0x68, 0x3c, 0xc0),
        Color32::from_rgb(0x0a, 0x70, 0x6b),
        Color32::from_rgb(0x72, 0x5c, 0x00),
        Color32::from_rgb(0xab, 0x42, 0x16),
    ],
};

impl Palette {
    /// The palette of the theme that `ui` is drawn in.
    pub fn of(ui: &egui::Ui) -> &'static Palette {
        Self::when(ui.visuals().dark_mode)
    }

    /// The palette of the dark or the light theme.
    pub fn when(dark: bool) -> &'static Palette {
        if dark { &DARK } else { &LIGHT }
    }

    /// The colour of IMGn, counted from 1; the same on its slot, its chips and its mask.
    pub fn image(&self, number: usize) -> Color32 {
        self.slots[number.max(1).wrapping_sub(1) % self.slots.len()]
    }

    /// The tint of a mask that belongs to IMGn.
    pub fn mask_tint(&self, number: usize) -> Color32 {
        let colour = DARK.slots[number.max(1).wrapping_sub(1) % DARK.slots.len()];
        Color32::from_rgba_unmultiplied(colour.r(), colour.g(), colour.b(), 84)
    }
}

/// The compare handle: white with a dark casing shows on every picture.
pub const HANDLE: [Color32; 2] = [Color32::WHITE, Color32::from_rgb(0x18, 0x18, 0x1a)];

/// Spacing in points: everything is a multiple of 4.
pub mod space {
    /// Between parts of one thing.
    pub const S: f32 = 4.0;
    /// Between things.
    pub const M: f32 = 8.0;
    /// Between groups.
    pub const L: f32 = 12.0;
}

/// The frame of dialogs, with air around their text.
pub fn dialog(ctx: &egui::Context) -> egui::Frame {
    egui::Frame::popup(&ctx.global_style()).inner_margin(Margin::same(16))
}

/// Side of an icon button in points.
pub const ICON_BUTTON: f32 = 30.0;

/// Sets both themes up; which one is shown follows [`egui::Context::set_theme`].
pub fn install(ctx: &egui::Context) {
    for theme in [egui::Theme::Dark, egui::Theme::Light] {
        ctx.set_visuals_of(theme, visuals(theme));
    }
    ctx.all_styles_mut(|style| {
        style.spacing.item_spacing = vec2(space::M, space::S + 2.0);
        style.spacing.button_padding = vec2(10.0, 5.0);
        style.spacing.interact_size = vec2(32.0, 26.0);
        style.spacing.slider_width = 96.0;
        style.spacing.tooltip_width = 320.0;
        style.spacing.menu_margin = Margin::same(6);
        style.spacing.window_margin = Margin::same(12);
        style.spacing.scroll = egui::style::ScrollStyle::thin();
        style.interaction.tooltip_delay = 0.4;
        let proportional = |size| FontId::new(size, FontFamily::Proportional);
        style.text_styles = [
            (TextStyle::Small, proportional(11.5)),
            (TextStyle::Body, proportional(13.5)),
            (TextStyle::Button, proportional(13.5)),
            (TextStyle::Heading, proportional(17.0)),
            (
                TextStyle::Monospace,
                FontId::new(12.5, FontFamily::Monospace),
            ),
        ]
        .into();
    });
    // Ctrl+0 fits the picture, and zooming is for pictures.
    ctx.options_mut(|options| options.zoom_with_keyboard = false);
}

fn visuals(theme: egui::Theme) -> Visuals {
    let dark = theme == egui::Theme::Dark;
    let palette = Palette::when(dark);
    let mut visuals = theme.default_visuals();
    let (panel, field, idle, hover, active) = if dark {
        (0x20_21_24, 0x18_19_1b, 0x32_34_3a, 0x3f_42_4a, 0x4b_4f_59)
    } else {
        (0xf1_f2_f4, 0xff_ff_ff, 0xe2_e4_e8, 0xd5_d8_de, 0xc6_ca_d2)
    };
    let rgb = |hex: u32| Color32::from_rgb((hex >> 16) as u8, (hex >> 8) as u8, hex as u8);
    visuals.panel_fill = rgb(panel);
    visuals.window_fill = rgb(panel);
    visuals.extreme_bg_color = rgb(field);
    visuals.faint_bg_color = palette.card;
    visuals.window_stroke = Stroke::new(1.0, palette.line);
    visuals.window_corner_radius = CornerRadius::same(8);
    visuals.menu_corner_radius = CornerRadius::same(6);
    let shadow = Shadow {
        offset: [0, 4],
        blur: 16,
        spread: 0,
        color: Color32::from_black_alpha(if dark { 110 } else { 50 }),
    };
    visuals.window_shadow = shadow;
    visuals.popup_shadow = shadow;
    visuals.weak_text_color = Some(palette.weak);
    visuals.error_fg_color = palette.error;
    visuals.warn_fg_color = palette.warning;
    visuals.hyperlink_color = palette.accent;
    visuals.selection.bg_fill = palette
        .accent
        .gamma_multiply(if dark { 0.38 } else { 0.28 });
    visuals.selection.stroke = Stroke::new(1.0, palette.text);
    visuals.slider_trailing_fill = true;
    visuals.disabled_alpha = 0.5;
    let radius = CornerRadius::same(5);
    for (widget, fill) in [
        (&mut visuals.widgets.noninteractive, rgb(panel)),
        (&mut visuals.widgets.inactive, rgb(idle)),
        (&mut visuals.widgets.hovered, rgb(hover)),
        (&mut visuals.widgets.active, rgb(active)),
        (&mut visuals.widgets.open, rgb(hover)),
    ] {
        widget.bg_fill = fill;
        widget.weak_bg_fill = fill;
        widget.bg_stroke = Stroke::NONE;
        widget.fg_stroke = Stroke::new(1.0, palette.text);
        widget.corner_radius = radius;
        widget.expansion = 0.0;
    }
    visuals.widgets.noninteractive.bg_stroke = Stroke::new(1.0, palette.line);
    visuals.widgets.hovered.bg_stroke = Stroke::new(1.0, palette.weak.gamma_multiply(0.6));
    visuals.widgets.active.bg_stroke = Stroke::new(1.0, palette.accent);
    visuals
}

#[cfg(test)]
mod tests {
    use super::*;

    /// WCAG relative luminance contrast.
    fn contrast(a: Color32, b: Color32) -> f32 {
        let luminance = |colour: Color32| {
            let [r, g, b, _] = egui::Rgba::from(colour).to_array();
            0.2126 * r + 0.7152 * g + 0.0722 * b + 0.05
        };
        let (a, b) = (luminance(a), luminance(b));
        a.max(b) / a.min(b)
    }

    #[test]
    fn text_can_be_read_in_both_themes() {
        for dark in [true, false] {
            let palette = Palette::when(dark);
            let theme = if dark {
                egui::Theme::Dark
            } else {
                egui::Theme::Light
            };
            let panel = visuals(theme).panel_fill;
            for (name, colour, on, least) in [
                ("text", palette.text, panel, 7.0),
                ("weak on panel", palette.weak, panel, 4.5),
                ("weak on card", palette.weak, palette.card, 4.5),
                ("error", palette.error, panel, 4.5),
                ("warning", palette.warning, panel, 4.5),
                ("on accent", palette.on_accent, palette.accent, 4.5),
            ] {
                let got = contrast(colour, on);
                assert!(got >= least, "{name}, dark {dark}: {got}");
            }
            for number in 1..=8 {
                let got = contrast(palette.on_accent, palette.image(number));
                assert!(got >= 4.5, "IMG{number}, dark {dark}: {got}");
            }
        }
    }
}
