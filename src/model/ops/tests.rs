//! Fused equals plain, operation by operation.

use std::collections::HashMap;

use candle_core::{Device, Tensor};

use super::*;

fn random(shape: &[usize]) -> Tensor {
    Tensor::randn(0f32, 1f32, shape, &Device::Cpu).unwrap()
}

#[track_caller]
fn close(a: &Tensor, b: &Tensor) {
    assert_eq!(a.dims(), b.dims());
    let a: Vec<f32> = a.flatten_all().unwrap().to_vec1().unwrap();
    let b: Vec<f32> = b.flatten_all().unwrap().to_vec1().unwrap();
    let scale = b.iter().fold(0f32, |m, v| m.max(v.abs()));
    for (a, b) in a.iter().zip(&b) {
        assert!((a - b).abs() <= 1e-5 * scale, "{a} {b}");
    }
}

/// The same weights for both forms.
fn pair<T>(tensors: &[(&str, Tensor)], load: impl Fn(&Reader) -> Result<T>) -> (T, T) {
    let map: HashMap<String, Tensor> = tensors
        .iter()
        .map(|(n, t)| (n.to_string(), t.clone()))
        .collect();
    let make = |kernels| load(&Reader::new(&map, "test", kernels)).unwrap();
    (make(Kernels::Fused), make(Kernels::Plain))
}

#[test]
fn linear_layers() {
    for (rows, inputs, outputs) in [(1, 3, 5), (37, 48, 70), (300, 64, 96)] {
        let tensors = [
            ("a.weight", random(&[outputs, inputs])),
            ("a.bias", random(&[outputs])),
        ];
        let (fused, plain) = pair(&tensors, |r| Linear::load(r, "a"));
        let x = random(&[2, rows, inputs]);
        close(&fused.forward(&x).unwrap(), &plain.forward(&x).unwrap());
        let (fused, plain) = pair(&tensors, |r| Linear::load_matrix(r, "a"));
        let (gate, residual) = (random(&[outputs]), random(&[2, rows, outputs]));
        close(
            &fused.forward_gated(&x, &gate, &residual).unwrap(),
            &plain.forward_gated(&x, &gate, &residual).unwrap(),
        );
    }
}

#[test]
fn a_layer_refuses_other_widths() {
    let (fused, plain) = pair(&[("a.weight", random(&[4, 8]))], |r| {
        Linear::load_matrix(r, "a")
    });
    assert!(fused.forward(&random(&[3, 9])).is_err());
    assert!(plain.forward(&random(&[3, 9])).is_err());
}

#[test]
fn swiglu_layers() {
    for hidden in [16, 100, 704] {
        let tensors = [
            ("gate.weight", random(&[hidden, 32])),
            ("up.weight", random(&[hidden, 32])),
        ];
        let (fused, plain) = pair(&tensors, Swiglu::load);
        let x = random(&[1, 50, 32]);
        close(&fused.forward(&x).unwrap(), &plain.forward(&x).unwrap());
    }
}

#[test]
fn modulation() {
    for (rows, width) in [(1, 4), (70, 100), (500, 256)] {
        let (x, shift, scale) = (
            random(&[1, rows, width]),
            random(&[width]),
            random(&[width]),
        );
        close(
            &modulate(Kernels::Fused, &x, &shift, &scale).unwrap(),
            &modulate(Kernels::Plain, &x, &shift, &scale).unwrap(),
        );
    }
}

fn head_split(dim: usize, heads: usize) -> (HeadSplit, HeadSplit) {
    let tensors = [
        ("q_norm.weight", random(&[dim])),
        ("k_norm.weight", random(&[dim])),
    ];
    pair(&tensors, |r| HeadSplit::load(r, heads))
}

fn rope(tokens: usize, dim: usize) -> Rope {
    let positions: Vec<_> = (0..tokens)
        .map(|i| [i as f32 * 0.7 - 2.0, (i % 7) as f32])
        .collect();
    Rope::new(&positions, dim, &Device::Cpu).unwrap()
}

#[test]
fn heads_and_attention() {
    for (batch, tokens, heads, dim, context) in [
        (1, 5, 1, 16, 3),
        (2, 70, 2, 32, 45),
        (3, 33, 2, 48, 64),
        (1, 200, 2, 64, 777),
    ] {
        let (fused, plain) = head_split(dim, heads);
        let width = heads * dim;
        let (x, other) = (
            random(&[batch, tokens, 3 * width]),
            random(&[1, context, 3 * width]),
        );
        let (own_rope, cross) = (rope(tokens, dim), rope(context, dim));
        let mut results = Vec::new();
        for split in [&fused, &plain] {
            let h = split.forward(&x, Some(&own_rope), true).unwrap();
            let o = split.forward(&other, None, true).unwrap();
            let raw = o.raw_keys.as_ref().unwrap();
            let joined = split
                .join(&[(raw, o.values(), Some(&cross)), (raw, o.values(), None)])
                .unwrap();
            let own = split.attend(&h.queries, &[&h.own]).unwrap();
            let both = split.attend(&h.queries, &[&joined, &h.own]).unwrap();
            results.push([
                h.queries.clone(),
                h.values().clone(),
                h.raw_keys.unwrap(),
                own,
                both,
            ]);
        }
        for (a, b) in results[0].iter().zip(&results[1]) {
            close(a, b);
        }
    }
}

#[test]
fn large_scores_do_not_overflow() {
    let (fused, plain) = head_split(16, 1);
    let x = (random(&[1, 40, 48]) * 100.0).unwrap();
    let run = |split: &HeadSplit| {
        let h = split.forward(&x, None, false).unwrap();
        split
            .attend(&(h.queries * 500.0).unwrap(), &[&h.own])
            .unwrap()
    };
    let found = run(&fused);
    assert!(
        found
            .flatten_all()
            .unwrap()
            .to_vec1::<f32>()
            .unwrap()
            .iter()
            .all(|v| v.is_finite())
    );
    let (a, b) = (
        found.abs().unwrap().max_all().unwrap(),
        run(&plain).abs().unwrap().max_all().unwrap(),
    );
    close(&a, &b);
}

#[test]
fn a_batch_member_does_not_depend_on_the_others() {
    let (split, _) = head_split(32, 2);
    let x = random(&[4, 50, 192]);
    let run = |x: &Tensor| {
        let h = split.forward(x, Some(&rope(50, 32)), false).unwrap();
        split.attend(&h.queries, &[&h.own]).unwrap()
    };
    let all = run(&x);
    for i in 0..4 {
        let one = run(&x.narrow(0, i, 1).unwrap().contiguous().unwrap());
        let of_all = all.get(i).unwrap().to_vec2::<f32>().unwrap();
        assert_eq!(one.get(0).unwrap().to_vec2::<f32>().unwrap(), of_all);
    }
}

#[test]
fn a_width_that_does_not_fit_the_kernels_is_computed_plainly() {
    assert_eq!(head_split(24, 2).0.kernels, Kernels::Plain);
    assert_eq!(head_split(32, 2).0.kernels, Kernels::Fused);
}
