//! A model that is not told the context tags, for what is trained without them.
//!
//! The job keeps its tags: they also say that a map is asked for ([`crate::doc::JobSpec::is_map`]), and what the
//! program makes of a job must not depend on what the model is told of it.

use candle_core::{Device, Tensor};

use crate::pipeline::generator::{
    Branch, Cancel, Generator, GeneratorError, GeneratorInfo, Inputs,
};
use crate::pipeline::light::{Light, LightInput};

/// A generator that is given the base text alone.
pub struct Untagged<'a>(pub &'a mut dyn Generator);

impl Generator for Untagged<'_> {
    fn info(&self) -> &GeneratorInfo {
        self.0.info()
    }

    fn device(&self) -> &Device {
        self.0.device()
    }

    fn prepare(&mut self, inputs: &Inputs, cancel: &Cancel) -> Result<(), GeneratorError> {
        let inputs = Inputs {
            text: inputs.base.clone(),
            tags: Vec::new(),
            ..inputs.clone()
        };
        self.0.prepare(&inputs, cancel)
    }

    fn shift(&self, width: u32, height: u32, steps: usize) -> f64 {
        self.0.shift(width, height, steps)
    }

    fn sent_text(&self) -> Option<&str> {
        self.0.sent_text()
    }

    fn take_warnings(&mut self) -> Vec<String> {
        self.0.take_warnings()
    }

    fn light(
        &mut self,
        input: &LightInput,
        cancel: &Cancel,
    ) -> Result<Option<Light>, GeneratorError> {
        self.0.light(input, cancel)
    }

    fn encode(
        &mut self,
        rgb: &[f32],
        width: u32,
        height: u32,
        cancel: &Cancel,
    ) -> Result<Tensor, GeneratorError> {
        self.0.encode(rgb, width, height, cancel)
    }

    fn velocity(
        &mut self,
        z: &Tensor,
        t: f64,
        branch: Branch,
        cancel: &Cancel,
    ) -> Result<Tensor, GeneratorError> {
        self.0.velocity(z, t, branch, cancel)
    }

    fn decode(&mut self, z: &Tensor, cancel: &Cancel) -> Result<Tensor, GeneratorError> {
        self.0.decode(z, cancel)
    }

    fn quick_look(
        &mut self,
        z: &Tensor,
        cancel: &Cancel,
    ) -> Result<Option<Tensor>, GeneratorError> {
        self.0.quick_look(z, cancel)
    }

    fn decodes_last(&self) -> bool {
        self.0.decodes_last()
    }

    fn batch_limit(&self, width: u32, height: u32) -> usize {
        self.0.batch_limit(width, height)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::data::plan::Task;
    use crate::doc::{Picture, Plane};
    use crate::eval::case::Case;
    use crate::eval::command::generate;
    use crate::eval::tests::settings;
    use crate::pipeline::generator::Family;

    /// Keeps what it is given and goes no further.
    struct Asked {
        info: GeneratorInfo,
        inputs: Vec<Inputs>,
    }

    impl Generator for Asked {
        fn info(&self) -> &GeneratorInfo {
            &self.info
        }
        fn device(&self) -> &Device {
            &Device::Cpu
        }
        fn prepare(&mut self, inputs: &Inputs, _: &Cancel) -> Result<(), GeneratorError> {
            self.inputs.push(inputs.clone());
            Err(GeneratorError::Cancelled)
        }
        fn encode(
            &mut self,
            _: &[f32],
            _: u32,
            _: u32,
            _: &Cancel,
        ) -> Result<Tensor, GeneratorError> {
            Err(GeneratorError::Cancelled)
        }
        fn velocity(
            &mut self,
            _: &Tensor,
            _: f64,
            _: Branch,
            _: &Cancel,
        ) -> Result<Tensor, GeneratorError> {
            Err(GeneratorError::Cancelled)
        }
        fn decode(&mut self, _: &Tensor, _: &Cancel) -> Result<Tensor, GeneratorError> {
            Err(GeneratorError::Cancelled)
        }
        fn batch_limit(&self, _: u32, _: u32) -> usize {
            1
        }
    }

    #[test]
    fn a_map_stays_one_for_a_model_that_is_told_no_tags() {
        // Wide: only for a map is it squeezed into a square.
        let canvas = Arc::new(Picture::filled(96, 48, [90, 100, 110, 255]));
        let case = Case {
            name: "one".into(),
            task: Task::Depth,
            level: Default::default(),
            prompt: "Depth of IMG1.".into(),
            tags: Some(vec!["realistic style".into()]),
            target: Arc::clone(&canvas),
            canvas,
            asset: None,
            asset_object: None,
            more: Vec::new(),
            placement: None,
            map: None,
            mask: None,
            mask_from: None,
            object: Plane::filled(96, 48, 0),
            changed: Plane::filled(96, 48, 255),
        };
        let info = crate::eval::suite::tests::generator().info().clone();
        assert_eq!(info.family, Family::UniReal);
        let mut model = Asked {
            info,
            inputs: Vec::new(),
        };
        for context in [true, false] {
            let asked = generate(
                &case,
                &crate::eval::case::Settings {
                    context,
                    ..settings()
                },
                &mut model,
            );
            assert!(asked.is_err());
        }
        let [told, untold] = model.inputs.as_slice() else {
            panic!("asked {} times", model.inputs.len());
        };
        assert_eq!(
            told.text,
            "Realistic style; perception task. Depth of IMG1."
        );
        assert_eq!(untold.text, "Depth of IMG1.");
        assert!(told.map && untold.map);
        assert_eq!(told.width, told.height);
        assert_eq!((untold.width, untold.height), (told.width, told.height));
    }
}
