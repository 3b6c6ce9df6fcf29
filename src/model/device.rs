//! Choosing the device.

use std::fmt;
use std::str::FromStr;

use candle_core::Device;
use serde::{Deserialize, Serialize};

use super::error::{ModelError, Result};

/// Which device to compute on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DeviceKind {
    /// The best one that works.
    #[default]
    Auto,
    /// The processor.
    Cpu,
    /// The first NVIDIA GPU.
    Cuda,
    /// The first Apple GPU.
    Metal,
}

impl DeviceKind {
    /// All kinds.
    pub const ALL: [DeviceKind; 4] = [
        DeviceKind::Auto,
        DeviceKind::Cpu,
        DeviceKind::Cuda,
        DeviceKind::Metal,
    ];

    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            DeviceKind::Auto => "auto",
            DeviceKind::Cpu => "cpu",
            DeviceKind::Cuda => "cuda",
            DeviceKind::Metal => "metal",
        }
    }
}

impl fmt::Display for DeviceKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for DeviceKind {
    type Err = ModelError;

    fn from_str(text: &str) -> Result<Self> {
        DeviceKind::ALL
            .into_iter()
            .find(|kind| kind.name() == text)
            .ok_or_else(|| {
                ModelError::Device(format!(
                    "there is no device {text:?}: choose auto, cpu, cuda or metal"
                ))
            })
    }
}

/// Opens a device. `Auto` falls back to the processor; the others fail if they cannot be had.
pub fn open(kind: DeviceKind) -> Result<Device> {
    match kind {
        DeviceKind::Cpu => Ok(Device::Cpu),
        DeviceKind::Cuda => cuda(),
        DeviceKind::Metal => metal(),
        DeviceKind::Auto => Ok(cuda().or_else(|_| metal()).unwrap_or(Device::Cpu)),
    }
}

fn cuda() -> Result<Device> {
    if !candle_core::utils::cuda_is_available() {
        return Err(ModelError::Device(
            "this program was built without CUDA: use --device cpu, or build it with --features cuda".into(),
        ));
    }
    probe("CUDA", || Device::new_cuda(0))
}

fn metal() -> Result<Device> {
    if !candle_core::utils::metal_is_available() {
        return Err(ModelError::Device(
            "this program was built without Metal: use --device cpu, or build it with --features metal on a Mac".into(),
        ));
    }
    probe("Metal", || Device::new_metal(0))
}

/// Drivers' bindings panic when a library is missing; that is one more reason why there is no device.
fn probe(
    name: &str,
    open: impl Fn() -> candle_core::Result<Device> + std::panic::UnwindSafe,
) -> Result<Device> {
    let failed = |reason: String| {
        ModelError::Device(format!(
            "no {name} device can be used ({reason}): install its driver or use --device cpu"
        ))
    };
    match std::panic::catch_unwind(open) {
        Ok(Ok(device)) => Ok(device),
        Ok(Err(e)) => Err(failed(e.to_string())),
        Err(_) => Err(failed("its libraries cannot be loaded".into())),
    }
}
