//! Zoom and pan: one transform from picture pixels to points of the window.

use eframe::egui::{Pos2, Rect, Vec2, pos2, vec2};

/// The least scale, 10 %.
pub const MIN_SCALE: f32 = 0.1;
/// The greatest scale, 2000 %.
pub const MAX_SCALE: f32 = 20.0;
/// Scales that zooming by steps stops at.
const STOPS: [f32; 15] = [
    0.1, 0.25, 0.33, 0.5, 0.67, 0.75, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 20.0,
];

/// Where a picture is shown. Scales are target pixels per picture pixel, so that 100 % is sharp on every screen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Viewport {
    scale: f32,
    /// The picture's point that is shown in the middle of the pane, in picture pixels.
    centre: Pos2,
    /// Whether the picture is kept fitted when the pane changes.
    fitted: bool,
    /// The scale at which it fitted last.
    fit: Option<f32>,
}

impl Default for Viewport {
    fn default() -> Self {
        Self {
            scale: 1.0,
            centre: Pos2::ZERO,
            fitted: true,
            fit: None,
        }
    }
}

impl Viewport {
    /// Keeps the picture fitted until the artist zooms or pans.
    pub fn fit(&mut self) {
        self.fitted = true;
    }

    /// Whether the picture is kept fitted.
    pub fn is_fitted(&self) -> bool {
        self.fitted
    }

    /// Target pixels per picture pixel: 1 is 100 %.
    pub fn scale(&self) -> f32 {
        self.scale
    }

    /// Follows the pane's size; call before anything is drawn. `points` is target pixels per point.
    pub fn update(&mut self, pane: Rect, size: Vec2, points: f32) {
        if !self.fitted || size.x < 1.0 || size.y < 1.0 {
            return;
        }
        let room = (pane.size() - Vec2::splat(24.0)).max(Vec2::splat(8.0)) * points;
        let fit = (room.x / size.x).min(room.y / size.y);
        self.scale = fit.clamp(MIN_SCALE * 0.1, MAX_SCALE);
        self.fit = Some(self.scale);
        self.centre = (size / 2.0).to_pos2();
    }

    /// Points per picture pixel.
    pub fn points_per_pixel(&self, points: f32) -> f32 {
        self.scale / points
    }

    /// Where the picture's corner is, in points. Whole target pixels, so that 100 % stays sharp.
    pub fn offset(&self, pane: Rect, points: f32) -> Vec2 {
        let offset = pane.center() - self.centre.to_vec2() * self.points_per_pixel(points);
        vec2(
            (offset.x * points).round() / points,
            (offset.y * points).round() / points,
        )
    }

    /// A point of the window as picture pixels.
    pub fn to_picture(self, at: Pos2, pane: Rect, points: f32) -> Pos2 {
        ((at - self.offset(pane, points)).to_vec2() / self.points_per_pixel(points)).to_pos2()
    }

    /// Picture pixels as a point of the window.
    pub fn to_window(self, at: Pos2, pane: Rect, points: f32) -> Pos2 {
        pos2(
            at.x * self.points_per_pixel(points),
            at.y * self.points_per_pixel(points),
        ) + self.offset(pane, points)
    }

    /// Moves the picture by a distance in points.
    pub fn pan(&mut self, by: Vec2, points: f32) {
        self.fitted = false;
        self.centre -= by / self.points_per_pixel(points);
    }

    /// Changes the scale by a factor; the picture's point at `at` stays where it is.
    pub fn zoom(&mut self, factor: f32, at: Pos2, pane: Rect, points: f32) {
        self.set_scale(self.scale * factor, at, pane, points);
    }

    /// Sets the scale; the picture's point at `at` stays where it is.
    pub fn set_scale(&mut self, scale: f32, at: Pos2, pane: Rect, points: f32) {
        if !scale.is_finite() {
            return;
        }
        let anchor = self.to_picture(at, pane, points);
        self.fitted = false;
        // A picture that fits at less than the usual limit can still be made smaller.
        let least = MIN_SCALE.min(self.fit.unwrap_or(MIN_SCALE));
        self.scale = scale.clamp(least, MAX_SCALE);
        self.centre = anchor - (at - pane.center()) / self.points_per_pixel(points);
    }

    /// The next of the usual scales up or down.
    pub fn stop(&self, up: bool) -> f32 {
        let found = if up {
            STOPS.iter().find(|&&stop| stop > self.scale * 1.01)
        } else {
            STOPS.iter().rev().find(|&&stop| stop < self.scale / 1.01)
        };
        // Below the stops, half at a time.
        found.copied().unwrap_or(match up {
            true => self.scale,
            false => self.scale / 2.0,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PANE: Rect = Rect {
        min: pos2(100.0, 50.0),
        max: pos2(700.0, 450.0),
    };

    #[test]
    fn to_picture_inverts_to_window() {
        for points in [1.0, 1.5, 2.0] {
            let mut view = Viewport::default();
            view.update(PANE, vec2(600.0, 400.0), points);
            view.zoom(3.7, pos2(220.0, 130.0), PANE, points);
            view.pan(vec2(13.0, -7.0), points);
            for at in [pos2(0.0, 0.0), pos2(599.5, 12.25)] {
                let back = view.to_picture(view.to_window(at, PANE, points), PANE, points);
                assert!((back - at).length() < 1e-2, "{back:?} {at:?}");
            }
        }
    }

    #[test]
    fn zooming_keeps_the_point_under_the_cursor() {
        let mut view = Viewport::default();
        view.update(PANE, vec2(600.0, 400.0), 1.0);
        let cursor = pos2(333.0, 222.0);
        for factor in [1.5, 0.7, 4.0, 0.25] {
            let before = view.to_picture(cursor, PANE, 1.0);
            let scale = view.scale();
            view.zoom(factor, cursor, PANE, 1.0);
            let after = view.to_picture(cursor, PANE, 1.0);
            // Offsets are rounded to whole target pixels, before and after.
            let apart = (after - before).length() * scale.min(view.scale());
            assert!(apart <= 1.5, "{apart}");
        }
    }

    #[test]
    fn scales_are_bounded_and_stops_are_reached() {
        let mut view = Viewport::default();
        view.set_scale(1e9, PANE.center(), PANE, 1.0);
        assert_eq!(view.scale(), MAX_SCALE);
        view.set_scale(0.0, PANE.center(), PANE, 1.0);
        assert_eq!(view.scale(), MIN_SCALE);
        view.set_scale(f32::NAN, PANE.center(), PANE, 1.0);
        assert_eq!(view.scale(), MIN_SCALE);
        view.set_scale(0.9, PANE.center(), PANE, 1.0);
        assert_eq!((view.stop(true), view.stop(false)), (1.0, 0.75));
    }

    #[test]
    fn a_fitted_picture_lies_inside_and_in_the_middle() {
        let mut view = Viewport::default();
        view.update(PANE, vec2(3000.0, 1000.0), 1.0);
        let a = view.to_window(Pos2::ZERO, PANE, 1.0);
        let b = view.to_window(pos2(3000.0, 1000.0), PANE, 1.0);
        assert!(PANE.contains(a) && PANE.contains(b));
        assert!((a + b.to_vec2()).to_vec2().length() > 0.0);
        assert!(((a.to_vec2() + b.to_vec2()) / 2.0 - PANE.center().to_vec2()).length() < 1.0);
    }
}
