//! Choosing the device.

use std::fmt;
use std::str::FromStr;

use candle_core::{DType, Device, Tensor};
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

/// A word that names no device.
#[derive(Debug, thiserror::Error)]
#[error("there is no device “{0}”, use auto, cpu, cuda or metal")]
pub struct UnknownDevice(String);

impl FromStr for DeviceKind {
    type Err = UnknownDevice;

    fn from_str(text: &str) -> std::result::Result<Self, UnknownDevice> {
        DeviceKind::ALL
            .into_iter()
            .find(|kind| kind.name().eq_ignore_ascii_case(text.trim()))
            .ok_or_else(|| UnknownDevice(text.to_owned()))
    }
}

/// Which floating-point type to compute in, where a model leaves the choice (FLUX.2; the built-in model has its own).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FloatType {
    /// The best one that the device computes: f32 on the processor, where half precision is slower, elsewhere
    /// bfloat16, else f16 (cards older than NVIDIA's Ampere have no bfloat16), else f32.
    #[default]
    Auto,
    /// 32 bits.
    F32,
    /// 16 bits, of which 5 are the exponent: values past 65504 are cut.
    F16,
    /// 16 bits, of which 8 are the exponent, as f32 has.
    Bf16,
}

impl FloatType {
    /// All types.
    pub const ALL: [FloatType; 4] = [
        FloatType::Auto,
        FloatType::F32,
        FloatType::F16,
        FloatType::Bf16,
    ];

    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            FloatType::Auto => "auto",
            FloatType::F32 => "f32",
            FloatType::F16 => "f16",
            FloatType::Bf16 => "bf16",
        }
    }

    /// The type on a device.
    ///
    /// # Errors
    /// If the device does not compute in the type that is asked for.
    pub fn on(self, device: &Device) -> Result<DType> {
        self.among(device.is_cpu(), |dtype| computes(device, dtype))
    }

    fn among(self, on_processor: bool, computes: impl Fn(DType) -> bool) -> Result<DType> {
        let asked = match self {
            FloatType::Auto if on_processor => return Ok(DType::F32),
            FloatType::Auto => {
                let halves = [DType::BF16, DType::F16];
                return Ok(halves
                    .into_iter()
                    .find(|d| computes(*d))
                    .unwrap_or(DType::F32));
            }
            FloatType::F32 => DType::F32,
            FloatType::F16 => DType::F16,
            FloatType::Bf16 => DType::BF16,
        };
        if computes(asked) {
            return Ok(asked);
        }
        Err(ModelError::Device(format!(
            "this device does not compute in {}: use --dtype auto",
            self.name()
        )))
    }
}

/// A word that names no type.
#[derive(Debug, thiserror::Error)]
#[error("there is no type “{0}” to compute in, use auto, f32, f16 or bf16")]
pub struct UnknownType(String);

impl FromStr for FloatType {
    type Err = UnknownType;

    fn from_str(text: &str) -> std::result::Result<Self, UnknownType> {
        FloatType::ALL
            .into_iter()
            .find(|kind| kind.name().eq_ignore_ascii_case(text.trim()))
            .ok_or_else(|| UnknownType(text.to_owned()))
    }
}

/// Whether a device multiplies and adds in a type, tried out: what cards and drivers say of themselves differs.
fn computes(device: &Device, dtype: DType) -> bool {
    let tried = || -> candle_core::Result<f32> {
        let ones = Tensor::ones((16, 16), dtype, device)?;
        let sum = (ones.matmul(&ones)? + &ones)?.silu()?;
        sum.to_dtype(DType::F32)?.mean_all()?.to_scalar()
    };
    // silu(17) is 17 to six digits.
    tried().is_ok_and(|mean| (mean - 17.0).abs() < 0.1)
}

/// Opens a device. `Auto` falls back to the processor; the others fail if they cannot be had.
///
/// # Errors
/// [`ModelError::Device`] if the program was built without what is asked for or its driver fails; the sentence says
/// what to do.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_type_that_a_device_computes_is_taken() {
        let none = |_: DType| false;
        let without_bf16 = |dtype: DType| dtype != DType::BF16;
        for (computes, best) in [
            (&(|_| true) as &dyn Fn(DType) -> bool, DType::BF16),
            (&without_bf16, DType::F16),
            (&none, DType::F32),
        ] {
            assert_eq!(FloatType::Auto.among(false, computes).unwrap(), best);
        }
        // Half precision is slower on the processor.
        assert_eq!(FloatType::Auto.on(&Device::Cpu).unwrap(), DType::F32);
        assert_eq!(
            FloatType::F16.among(false, without_bf16).unwrap(),
            DType::F16
        );
        let why = FloatType::Bf16.among(false, without_bf16).unwrap_err();
        assert_eq!(
            why.to_string(),
            "this device does not compute in bf16: use --dtype auto"
        );
    }

    #[test]
    fn the_processor_computes_in_every_type() {
        for (kind, dtype) in [
            (FloatType::F32, DType::F32),
            (FloatType::F16, DType::F16),
            (FloatType::Bf16, DType::BF16),
        ] {
            assert_eq!(kind.on(&Device::Cpu).unwrap(), dtype);
        }
        // Integers are no type to compute in: nothing is taken for granted.
        assert!(!computes(&Device::Cpu, DType::U8));
    }
}
