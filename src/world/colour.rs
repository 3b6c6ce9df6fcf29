//! Between sRGB bytes and linear light.

use std::sync::OnceLock;

use super::vector::V3;

/// Linear light of every sRGB byte (IEC 61966-2-1).
pub fn linear_table() -> &'static [f32; 256] {
    static TABLE: OnceLock<[f32; 256]> = OnceLock::new();
    TABLE.get_or_init(|| {
        std::array::from_fn(|i| {
            let s = i as f32 / 255.0;
            if s <= 0.040_45 {
                s / 12.92
            } else {
                ((s + 0.055) / 1.055).powf(2.4)
            }
        })
    })
}

/// Linear light in 0..1 to an sRGB byte, through a table (exact to within a twentieth of a level).
pub fn encode(linear: f32) -> u8 {
    static TABLE: OnceLock<Vec<u8>> = OnceLock::new();
    let table = TABLE.get_or_init(|| {
        (0..=65535u32)
            .map(|i| {
                let l = i as f32 / 65535.0;
                let s = if l <= 0.003_130_8 {
                    l * 12.92
                } else {
                    1.055 * l.powf(1.0 / 2.4) - 0.055
                };
                (s * 255.0 + 0.5) as u8
            })
            .collect()
    });
    table[(linear.clamp(0.0, 1.0) * 65535.0 + 0.5) as usize]
}

/// The filmic curve the panoramas' pictures were made with (Narkowicz's fit of ACES), to 0..1.
pub fn tone(c: V3) -> V3 {
    c.map(|x| {
        let x = x.max(0.0);
        (x * (2.51 * x + 0.03) / (x * (2.43 * x + 0.59) + 0.14)).clamp(0.0, 1.0)
    })
}
