//! The light an object takes from the ground, from others and from itself: one shadow map for each patch of sky, one
//! for the sun.

use std::sync::Arc;

use super::light::Light;
use super::placed::Placed;
use super::shadow::ShadowMap;
use super::vector::{V3, add, dot, scale, sub};

/// The share of the ground's light whose loss is not drawn.
const FAINT: f32 = 0.05;

struct Maps {
    sky: Vec<ShadowMap>,
    sun: Option<ShadowMap>,
    contact: ShadowMap,
    reach: f32,
    height: f32,
}

/// The shadows an object casts. They go where its foot goes: cloned and moved, the maps are shared.
#[derive(Clone)]
pub struct Shadows {
    maps: Arc<Maps>,
    foot: V3,
}

impl Shadows {
    /// The shadows of `object` under `light`.
    pub fn new(object: &Placed<'_>, light: &Light) -> Self {
        let low = light
            .patches
            .iter()
            .map(|p| p.direction)
            .chain(light.sun.iter().map(|s| s.direction))
            .map(|d| d[1])
            .fold(1.0, f32::min);
        let height = object.height();
        let reach = object.radius() * 1.6 + height * 1.4 * (1.0 - low * low).sqrt() / low.max(0.1);
        let maps = Maps {
            sky: light
                .patches
                .iter()
                .map(|p| {
                    let blur = if p.direction[1] < 0.6 { 3 } else { 2 };
                    ShadowMap::new(object, p.direction, 40, blur, f32::MAX)
                })
                .collect(),
            sun: light.sun.map(|s| {
                // The far end of the shadow is as soft as the light is wide.
                let wide = s.softness * height / s.direction[1].max(0.15);
                ShadowMap::soft(object, s.direction, 112, wide)
            }),
            contact: ShadowMap::new(object, [0.0, 1.0, 0.0], 48, 1, height * 0.06),
            reach,
            height,
        };
        Self {
            maps: Arc::new(maps),
            foot: object.foot,
        }
    }

    /// The same shadows for the object at another place.
    pub fn at(&self, foot: V3) -> Self {
        Self {
            maps: Arc::clone(&self.maps),
            foot,
        }
    }

    /// Whether a point is too far away to be in the shadow.
    fn beyond(&self, p: V3) -> bool {
        let d = sub(p, self.foot);
        d[0].hypot(d[2]) > self.maps.reach
    }

    /// The share of the light of the sky, hidden patch by patch, that a surface at `p` facing `normal` loses of
    /// `whole`; for each channel.
    pub fn sky_lost(&self, p: V3, normal: V3, light: &Light, whole: V3) -> V3 {
        let mut lost = [0.0; 3];
        if self.beyond(p) {
            return lost;
        }
        let local = sub(p, self.foot);
        for (map, patch) in self.maps.sky.iter().zip(&light.patches) {
            let facing = dot(normal, patch.direction);
            if facing > 0.0 {
                let hidden = 1.0 - map.below(local);
                if hidden > 0.0 {
                    lost = add(lost, scale(patch.flux, hidden * facing));
                }
            }
        }
        if normal[1] > 0.9 {
            // Where it touches, nothing of the sky is left: eight directions alone leave a seam of light there.
            let touch = 1.0 - self.maps.contact.below(local);
            let left = std::array::from_fn(|c| (whole[c] - lost[c]).max(0.0));
            lost = add(lost, scale(left, 0.55 * touch));
        }
        std::array::from_fn(|c| lost[c] / whole[c].max(1e-5))
    }

    /// The share of the sun's light that is hidden from `p`.
    pub fn sun_lost(&self, p: V3) -> f32 {
        match &self.maps.sun {
            Some(map) if !self.beyond(p) => 1.0 - map.below(sub(p, self.foot)),
            _ => 0.0,
        }
    }

    /// How open the sky is at a point `p` of the object itself, among `others`.
    pub fn open(&self, others: &[&Shadows], light: &Light, p: V3, normal: V3) -> f32 {
        let near: Vec<&Shadows> = others.iter().copied().filter(|o| !o.beyond(p)).collect();
        let local = sub(p, self.foot);
        let (mut free, mut seen) = (0.0, 1e-6);
        for (i, (map, patch)) in self.maps.sky.iter().zip(&light.patches).enumerate() {
            let weight = patch.weight * (dot(normal, patch.direction) + 0.3).max(0.02);
            seen += weight;
            let mut through = map.on(local, normal);
            for other in &near {
                through *= other.maps.sky[i].behind(sub(p, other.foot));
            }
            free += weight * through;
        }
        free / seen
    }

    /// How much of the sun reaches a point `p` of the object itself, among `others`.
    pub fn sun(&self, others: &[&Shadows], p: V3, normal: V3) -> f32 {
        let Some(map) = &self.maps.sun else {
            return 0.0;
        };
        let mut through = map.on(sub(p, self.foot), normal);
        for other in others {
            if through > 0.0
                && !other.beyond(p)
                && let Some(map) = &other.maps.sun
            {
                through *= map.behind(sub(p, other.foot));
            }
        }
        through
    }

    /// Whether two objects may darken each other.
    pub fn touches(&self, foot: V3, radius: f32) -> bool {
        let d = sub(foot, self.foot);
        d[0].hypot(d[2]) < self.maps.reach + radius
    }

    /// The object's height.
    pub fn height(&self) -> f32 {
        self.maps.height
    }
}

/// What share of a channel's light is left after losses `sky` and `sun` (shares of the whole): small losses count as
/// none, which keeps the changed region of a scene tight, and nothing gets quite black.
pub fn left(lost: V3) -> V3 {
    lost.map(|lost| {
        let lost = (lost - FAINT).max(0.0) / (1.0 - FAINT);
        (1.0 - lost).clamp(0.05, 1.0)
    })
}
