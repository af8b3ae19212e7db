//! How a function is linked for release.

use std::env;
use std::error::Error;
use std::fs;
use std::path::Path;

/// Leaves out how to unwind the stack: a panic aborts.
const NO_UNWINDING: &str = "SECTIONS { /DISCARD/ : { *(.eh_frame) *(.eh_frame_hdr) *(.gcc_except_table .gcc_except_table.*) } }\n\
     INSERT AFTER .text;\n";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=../build.rs");
    if env::var("PROFILE")? == "release" && env::var("CARGO_CFG_TARGET_OS")? == "linux" {
        let script = Path::new(&env::var("OUT_DIR")?).join("no-unwinding.ld");
        fs::write(&script, NO_UNWINDING)?;
        println!("cargo:rustc-link-arg-bins=-Wl,--no-eh-frame-hdr,-T,{}", script.display());
        // At an address that is known beforehand: a cold start has no thousands of pointers to correct.
        println!("cargo:rustc-link-arg-bins=-no-pie");
    }
    Ok(())
}
