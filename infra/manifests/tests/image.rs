//! The images of `infra/knative/Containerfile`.
#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up should fail")]

use std::{fs, path::Path, process::Command};

use epitaph_manifests::root;
use epitaph_test_services::{kept, program, succeed};
use serde_json::Value;

fn buildah(program: &Path, folder: &Path) -> Command {
    let mut command = Command::new(program);
    for (option, place) in [("--root", "images"), ("--runroot", "run")] {
        command.arg(option).arg(folder.join(place));
    }
    command.args(["--storage-driver", "vfs"]).env("BUILDAH_ISOLATION", "chroot");
    command
}

/// Builds an image from a folder that is written anew, and gives its id.
fn build(program: &Path, folder: &Path) -> String {
    let context = folder.join("context");
    fs::create_dir_all(&context).unwrap();
    fs::write(context.join("function"), "a static binary").unwrap();
    fs::write(context.join("ca-certificates.crt"), "roots").unwrap();
    let mut command = buildah(program, folder);
    command.args(["build", "--quiet", "--layers=false", "--timestamp", "1700000000"]);
    command
        .args(["--build-arg", "FUNCTION=minidump", "--file"])
        .arg(root().join("infra/knative/Containerfile"));
    String::from_utf8(succeed(command.arg(&context)).stdout).unwrap().trim().to_owned()
}

#[test]
fn an_image_is_a_binary_and_roots_that_nobody_owns_and_the_same_sources_make_the_same_one() {
    let Some(program) = program(&["buildah"]) else { return };
    let folder = kept("images");
    let image = build(&program, &folder);
    assert_eq!(build(&program, &folder), image, "time and order must not be in it");
    let inspected = succeed(buildah(&program, &folder).args(["inspect", "--type", "image", &image]));
    let inspected: Value = serde_json::from_slice(&inspected.stdout).unwrap();
    let config = &inspected["OCIv1"]["config"];
    assert_eq!(config["User"], "65532:65532");
    assert_eq!(config["Entrypoint"][0], "/function");
    assert_eq!(inspected["OCIv1"]["rootfs"]["diff_ids"].as_array().unwrap().len(), 1, "one layer");
    succeed(buildah(&program, &folder).args(["rmi", &image]));
}
