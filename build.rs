//! Tells the crate whether the package holds the weights of the model that is built into the program.

fn main() {
    let folder = std::path::Path::new("assets/models/unireal-nano");
    println!("cargo::rustc-check-cfg=cfg(embedded_model)");
    // The folder above: cargo runs the script each time for a path that is not there.
    println!("cargo::rerun-if-changed=assets");
    let files = [
        "config.json",
        "tokenizer.json",
        "autoencoder.safetensors",
        "text.safetensors",
        "transformer.safetensors",
    ];
    println!("cargo::rustc-check-cfg=cfg(embedded_light)");
    if folder.join("light.safetensors").is_file() {
        println!("cargo::rustc-cfg=embedded_light");
    }
    if files.iter().all(|file| folder.join(file).is_file()) {
        println!("cargo::rustc-cfg=embedded_model");
    }
}
