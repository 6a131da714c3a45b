//! The modules that an event lists, and which of them an instruction lies in.

use debugid::DebugId;
use epitaph_crash_model::{Address, Module};
use serde_json::Value;

use super::value;
use crate::bounds;

/// The images of an event's `debug_meta`.
#[derive(Debug, Default)]
pub(super) struct Images {
    /// By base address.
    modules: Vec<Module>,
    /// What each place in the event's list holds; frames may name an image by it.
    listed: Vec<Option<Module>>,
}

impl Images {
    /// The images that hold code of their own. Source maps and ProGuard maps are about code that has no address.
    pub(super) fn of(event: &Value) -> Self {
        let images = value::field(event, "debug_meta").and_then(|meta| value::field(meta, "images"));
        let listed: Vec<Option<Module>> =
            value::list(images).iter().take(bounds::MODULES).map(module).collect();
        let mut modules: Vec<Module> = listed.iter().flatten().cloned().collect();
        modules.sort_by_key(|module| module.base);
        Self { modules, listed }
    }

    /// By base address.
    pub(super) fn modules(&self) -> &[Module] {
        &self.modules
    }

    /// The image at a place in the event's list.
    pub(super) fn listed(&self, index: usize) -> Option<&Module> {
        self.listed.get(index)?.as_ref()
    }

    /// The image that an instruction lies in, or that begins where the client says that its image does.
    pub(super) fn at(&self, instruction: Address, base: Option<Address>) -> Option<&Module> {
        let start = base.unwrap_or(instruction);
        let end = self.modules.partition_point(|module| module.base <= start);
        let module = self.modules.get(end.checked_sub(1)?)?;
        let offset = instruction.0.checked_sub(module.base.0)?;
        (offset < module.size || base == Some(module.base)).then_some(module)
    }
}

fn module(image: &Value) -> Option<Module> {
    let kind = value::name(image, "type")?;
    if !matches!(kind.as_str(), "macho" | "apple" | "elf" | "symbolic" | "pe" | "pe_dotnet" | "wasm") {
        return None;
    }
    let code_file =
        value::name(image, "code_file").or_else(|| value::name(image, "name")).unwrap_or_default();
    let code_id = value::name(image, "code_id");
    let debug_id = ["debug_id", "uuid", "id"].iter().find_map(|name| value::name(image, name));
    let debug_id = debug_id.and_then(|id| id.parse().ok());
    let debug_id = debug_id.or_else(|| build_id(code_id.as_deref().filter(|_| kind == "elf")?));
    Some(Module {
        name: file_name(&code_file).to_owned(),
        version: None,
        base: value::address(image, "image_addr").unwrap_or_default(),
        size: value::field(image, "image_size").and_then(value::number).unwrap_or_default(),
        debug_file: value::name(image, "debug_file").map(|path| file_name(&path).to_owned()),
        debug_id: debug_id.filter(|id: &DebugId| !id.is_nil()).map(|id| id.breakpad().to_string()),
        code_id: code_id.map(|id| id.to_lowercase()),
        code_file,
    })
}

/// The debug id that goes with an ELF file's build id: its first 16 bytes as a GUID of a little-endian machine.
fn build_id(code_id: &str) -> Option<DebugId> {
    let mut guid = [0; 16];
    for (index, byte) in guid.iter_mut().enumerate() {
        // One that is shorter is filled up with zeros.
        let Some(digits) = code_id.get(2 * index..2 * index + 2) else { break };
        *byte = u8::from_str_radix(digits, 16).ok()?;
    }
    DebugId::from_guid_age(&guid, 0).ok()
}

/// The last part of a path of whatever system.
pub(super) fn file_name(path: &str) -> &str {
    path.rsplit(['/', '\\']).next().unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn images_are_modules_with_ids_as_breakpad_writes_them() {
        let images = Images::of(&json!({"debug_meta": {"images": [
            {"type": "sourcemap", "code_file": "app.js", "debug_id": "1e8a1d13-0c22-4f54-8a3c-6e3c2f4e0f01"},
            {"type": "pe", "code_file": "C:\\Game\\Game.exe", "code_id": "5AB38077A000", "image_addr": "0x140000000",
             "image_size": 4096, "debug_file": "D:\\build\\Game.pdb", "debug_id": "3249d99d-0c40-4931-8610-f4e4fb0b6936-1"},
            {"type": "elf", "code_file": "/data/app/libgame.so", "image_addr": "0x7000", "image_size": 256,
             "code_id": "b5381a457906d279073822a5ceb24c4bfef94ddb"},
            "nonsense", {"type": "macho", "uuid": "9C77FBC8-2C8F-3C2A-9A5A-1C2D3E4F5A6B", "name": "/a/b/Game", "image_addr": 0}
        ]}}));
        let told: Vec<_> = images
            .modules()
            .iter()
            .map(|module| {
                (module.name.as_str(), module.base.0, module.debug_id.as_deref().unwrap_or_default())
            })
            .collect();
        let expected = [
            ("Game", 0, "9C77FBC82C8F3C2A9A5A1C2D3E4F5A6B0"),
            ("libgame.so", 0x7000, "451A38B5067979D2073822A5CEB24C4B0"),
            ("Game.exe", 0x1_4000_0000, "3249D99D0C4049318610F4E4FB0B69361"),
        ];
        assert_eq!(told, expected);
        assert_eq!(images.modules()[2].debug_file.as_deref(), Some("Game.pdb"));
        assert_eq!(images.modules()[2].code_id.as_deref(), Some("5ab38077a000"));
        assert!(images.listed(0).is_none(), "places in the list stay as they were");
        assert_eq!(images.listed(2).map(|module| module.name.as_str()), Some("libgame.so"));
    }

    #[test]
    fn an_instruction_lies_in_the_image_around_it() {
        let images = Images::of(&json!({"debug_meta": {"images": [
            {"type": "elf", "code_file": "a", "image_addr": "0x1000", "image_size": 256},
            {"type": "elf", "code_file": "b", "image_addr": "0x2000"}
        ]}}));
        let name = |instruction, base: Option<u64>| {
            images.at(Address(instruction), base.map(Address)).map(|module| module.name.as_str())
        };
        assert_eq!(name(0x0fff, None), None);
        assert_eq!(name(0x1000, None), Some("a"));
        assert_eq!(name(0x10ff, None), Some("a"));
        assert_eq!(name(0x1100, None), None);
        assert_eq!(name(0x2010, None), None, "nobody knows how large it is");
        assert_eq!(name(0x2010, Some(0x2000)), Some("b"), "but the client may");
        assert_eq!(name(0x0010, Some(0x2000)), None);
    }
}
