//! The texts about symbols.

/// The texts of one language.
pub(crate) struct Symbols {
    pub(crate) symbols: &'static str,
    pub(crate) here: &'static str,
    pub(crate) missing: &'static str,
    /// Of names of modules, and how many more there are.
    pub(crate) missing_for: fn(&str, usize) -> String,
    pub(crate) on_their_way: &'static str,
    pub(crate) missing_heading: &'static str,
    pub(crate) missing_text: &'static str,
    pub(crate) none_missing: &'static str,
    pub(crate) crashes_affected: &'static str,
    pub(crate) arrived_heading: &'static str,
    pub(crate) nothing_arrived: &'static str,
    pub(crate) arrived: &'static str,
    pub(crate) last_used: &'static str,
    pub(crate) file: &'static str,
    pub(crate) size: &'static str,
    pub(crate) lines: &'static str,
    pub(crate) unwinding: &'static str,
    pub(crate) pinned: &'static str,
    pub(crate) how_to_upload: &'static str,
    pub(crate) how_to_upload_text: &'static str,
    /// What a cache is worth, by its word.
    pub(crate) worth: fn(&str) -> &'static str,
}

pub(super) const ENGLISH: Symbols = Symbols {
    symbols: "Symbols",
    here: "here",
    missing: "missing",
    missing_for: |names, more| {
        let more = if more == 0 { String::new() } else { format!(" and {more} more") };
        format!(
            "No symbols for {names}{more}. Upload their debug files, and these frames show functions and lines."
        )
    },
    on_their_way: "There are symbols for this stack, but they are not on this machine yet. Load the page again in a moment.",
    missing_heading: "Missing",
    missing_text: "Modules that crashes lie in and that have no symbols, those that most crashes wait for first.",
    none_missing: "No crash waits for symbols.",
    crashes_affected: "Crashes that wait",
    arrived_heading: "Debug files",
    nothing_arrived: "No debug file has arrived yet.",
    arrived: "Arrived",
    last_used: "Last used",
    file: "File",
    size: "Size",
    lines: "Lines",
    unwinding: "Unwinding",
    pinned: "pinned",
    how_to_upload: "How to upload",
    how_to_upload_text: "It finds every debug file below a folder, also in archives, and skips what is here. Crashes that came before \
                         their symbols are named and grouped again by themselves.",
    worth: |word| match word {
        "full" => "yes",
        "functions" => "functions only",
        "names" => "exports only",
        _ => "no",
    },
};

pub(super) const KOREAN: Symbols = Symbols {
    symbols: "심볼",
    here: "있음",
    missing: "없음",
    missing_for: |names, more| {
        let more = if more == 0 { String::new() } else { format!(" 외 {more}개") };
        format!("심볼이 없는 모듈: {names}{more}. 디버그 파일을 올리면 이 프레임에 함수와 줄이 표시됩니다.")
    },
    on_their_way: "이 스택의 심볼이 있지만 아직 이 서버로 가져오는 중입니다. 잠시 후 페이지를 다시 여세요.",
    missing_heading: "없는 심볼",
    missing_text: "크래시가 지나간 모듈 가운데 심볼이 없는 것입니다. 기다리는 크래시가 많은 순서입니다.",
    none_missing: "심볼을 기다리는 크래시가 없습니다.",
    crashes_affected: "기다리는 크래시",
    arrived_heading: "디버그 파일",
    nothing_arrived: "아직 올라온 디버그 파일이 없습니다.",
    arrived: "올라온 시각",
    last_used: "마지막 사용",
    file: "파일",
    size: "크기",
    lines: "줄 정보",
    unwinding: "스택 풀기 정보",
    pinned: "고정됨",
    how_to_upload: "올리는 방법",
    how_to_upload_text: "폴더 아래의 디버그 파일을 압축 파일 안까지 모두 찾고, 이미 있는 것은 건너뜁니다. 심볼보다 먼저 온 크래시는 \
                         저절로 이름이 붙고 다시 묶입니다.",
    worth: |word| match word {
        "full" => "있음",
        "functions" => "함수만",
        "names" => "내보낸 이름만",
        _ => "없음",
    },
};
