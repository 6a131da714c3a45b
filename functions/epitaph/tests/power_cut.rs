//! What was answered survives a power cut: only what was synced is there afterwards.
//!
//! The data directory is on a file system of its own, in a file. To cut the power, the process is killed and that file
//! copied as it is: what the kernel still holds back of it is not in the copy. The next round goes on with the copy.
#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up should fail")]

mod support;

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use support::{House, load};

const ROUNDS: usize = 5;
const CLIENTS: usize = 8;

/// A file system in a file. Unmounted when it is dropped.
struct Disk {
    mounted_at: PathBuf,
}

impl Disk {
    /// `None` where this process may not mount.
    fn mount(image: &Path, at: PathBuf) -> Option<Self> {
        std::fs::create_dir_all(&at).unwrap();
        let mounted = Command::new("mount").args(["-o", "loop"]).arg(image).arg(&at).output();
        mounted.ok()?.status.success().then_some(Self { mounted_at: at })
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.mounted_at).status();
    }
}

#[tokio::test]
async fn every_answered_report_is_there_once_after_the_power_was_cut() {
    let room = tempfile::tempdir().unwrap();
    let mut image = room.path().join("disk-0");
    std::fs::File::create(&image).unwrap().set_len(256 << 20).unwrap();
    let made = Command::new("mkfs.ext4").args(["-q", "-F"]).arg(&image).status();
    let first =
        made.is_ok_and(|made| made.success()).then(|| Disk::mount(&image, room.path().join("mount-0")));
    let Some(mut disk) = first.flatten() else {
        println!("skipped: mounting a file system needs root and loop devices, which are not to be had here");
        return;
    };
    let mut answered = BTreeSet::new();
    for round in 1..=ROUNDS {
        let mut house = House::new();
        house.set("EPITAPH_DATA", disk.mounted_at.join("data").to_str().unwrap());
        let server = house.serve();
        let posting = load::post_until_it_dies(&server, CLIENTS);
        let cut = async {
            load::random_pause(Duration::from_millis(100), Duration::from_millis(900)).await;
            let id = rustix::process::Pid::from_raw(server.process_id().cast_signed()).unwrap();
            rustix::process::kill_process(id, rustix::process::Signal::KILL).unwrap();
            let copy = room.path().join(format!("disk-{round}"));
            let copied = Command::new("cp").arg("--sparse=always").arg(&image).arg(&copy).status();
            assert!(copied.unwrap().success());
            copy
        };
        let (ids, copy) = tokio::join!(posting, cut);
        println!("round {round}: {} answered", ids.len());
        answered.extend(ids);
        drop(server);
        drop(disk);
        std::fs::remove_file(&image).unwrap();
        image = copy;
        disk = Disk::mount(&image, room.path().join(format!("mount-{round}"))).unwrap();
    }
    let mut house = House::new();
    let data = disk.mounted_at.join("data");
    house.set("EPITAPH_DATA", data.to_str().unwrap());
    let server = house.serve();
    load::assert_each_is_there_once(&house, &server, &answered).await;
    println!("{} answered in {ROUNDS} rounds, all there once", answered.len());
    drop(server);
}
