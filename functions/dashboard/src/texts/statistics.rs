//! The texts of searches and statistics.

use epitaph_facts::{Column, Dimension};
use epitaph_search::Problem;

/// The texts of one language.
pub(crate) struct Statistics {
    pub(crate) demo: &'static str,
    pub(crate) search: &'static str,
    pub(crate) search_hint: &'static str,
    pub(crate) search_button: &'static str,
    pub(crate) search_help: &'static str,
    pub(crate) clear: &'static str,
    pub(crate) not_understood: &'static str,
    pub(crate) did_you_mean: &'static str,
    pub(crate) nothing_found: &'static str,
    pub(crate) by_users: &'static str,
    pub(crate) share: &'static str,
    pub(crate) back: &'static str,
    pub(crate) back_explained: &'static str,
    pub(crate) all_crashes: &'static str,
    pub(crate) see_issues: &'static str,
    pub(crate) see_crashes: &'static str,
    pub(crate) as_csv: &'static str,
    pub(crate) numbers: &'static str,
    pub(crate) special: &'static str,
    pub(crate) special_text: &'static str,
    pub(crate) among_all: &'static str,
    pub(crate) overrepresented: &'static str,
    /// Of the share here, the share among all, and the word for what follows.
    pub(crate) beside: fn(&str, &str, &str) -> String,
    pub(crate) here_and_all: fn(&str, &str) -> String,
    pub(crate) minutes: fn(u64) -> String,
    pub(crate) hours: fn(u64) -> String,
    pub(crate) more: &'static str,
    pub(crate) same: &'static str,
    pub(crate) less: &'static str,
    pub(crate) too_few: &'static str,
    pub(crate) compare: &'static str,
    pub(crate) compare_releases: &'static str,
    pub(crate) compare_text: &'static str,
    pub(crate) base: &'static str,
    pub(crate) compared_with: &'static str,
    pub(crate) change: &'static str,
    pub(crate) only_here: &'static str,
    pub(crate) only_there: &'static str,
    pub(crate) need_two: &'static str,
    pub(crate) how_to_search: &'static str,
    pub(crate) how_to_search_text: &'static str,
    pub(crate) write: &'static str,
    pub(crate) meaning: &'static str,
    pub(crate) names: &'static str,
    pub(crate) names_text: &'static str,
    pub(crate) syntax: &'static [(&'static str, &'static str)],
    pub(crate) problem: fn(&Problem) -> String,
    column: fn(Column) -> &'static str,
    time: &'static str,
}

impl Statistics {
    /// What a dimension is called.
    pub(crate) fn dimension(&self, dimension: &Dimension) -> String {
        match dimension {
            Dimension::Column(column) => (self.column)(*column).to_owned(),
            Dimension::Tag(name) => crate::shown::line(name),
            Dimension::Time(_) => self.time.to_owned(),
        }
    }
}

pub(super) const ENGLISH: Statistics = Statistics {
    demo: "This is a demo: the game and its crashes are invented.",
    search: "Search crashes",
    search_hint: "os:Windows gpu:\"RTX 40*\" -country:KR",
    search_button: "Search",
    search_help: "How to search",
    clear: "Show all",
    not_understood: "This search is not understood",
    did_you_mean: "Search for this instead:",
    nothing_found: "No crash of this period fits the search.",
    by_users: "Most users",
    share: "Share",
    back: "back",
    back_explained: "It was silent in the equally long time before",
    all_crashes: "All crashes",
    see_issues: "Issues of these crashes",
    see_crashes: "Crashes one by one",
    as_csv: "Download as CSV",
    numbers: "The numbers",
    special: "What is special here",
    special_text: "Surely more frequent among these crashes than among all crashes of the period.",
    among_all: "among all",
    overrepresented: "over-represented",
    beside: |here, all, word| format!("{here} here, {all} among all crashes: {word}"),
    here_and_all: |here, all| format!("{here} here, {all} among all"),
    minutes: |minutes| format!("{minutes} min"),
    hours: |hours| format!("{hours} h"),
    more: "more frequent",
    same: "as frequent",
    less: "less frequent",
    too_few: "too few to tell",
    compare: "Compare",
    compare_releases: "Compare releases",
    compare_text: "Shares are of all crashes of each release, so that a release with more players is not worse for it.",
    base: "From release",
    compared_with: "to release",
    change: "Change",
    only_here: "new",
    only_there: "gone",
    need_two: "Fewer than two releases crashed in this period. Choose a longer one.",
    how_to_search: "How to search",
    how_to_search_text: "Conditions stand side by side, and all of them hold. A value on the pages can be clicked: that adds a condition.",
    write: "Write",
    meaning: "to find crashes",
    names: "Names",
    names_text: "Any other name is a tag's. Short names: os, version, env, map, driver, memory.",
    syntax: &[
        ("os:Windows", "whose value is this, in capitals or not"),
        ("gpu:\"RTX 40*\"", "whose value is like this: * stands for anything, ? for one letter"),
        ("gpu:=\"RTX 4090\"", "whose value is this to the letter"),
        ("os:[Windows, Linux]", "whose value is one of these"),
        ("release:>=1.2", "whose value comes later, or earlier with < and <=; 1.9 comes before 1.10"),
        ("uptime:<5m", "that ran for less: seconds, or a number with s, m, h or d"),
        ("has:user", "that tell a value; -has:user for those that do not"),
        ("tag.shard:eu", "whose tag of this name has this value"),
        ("Renderer::draw", "whose signature has this text in it; a text of several words stands in quotes"),
        ("-country:KR", "for which the condition does not hold"),
        ("os:Linux OR kind:hang", "for which one of them holds; OR in capitals"),
        ("(os:Linux OR kind:hang) has:user", "groups: what stands side by side binds closer than OR"),
    ],
    problem: |problem| problem.to_string(),
    column: |column| match column {
        Column::Project => "Project",
        Column::Issue => "Issue",
        Column::Signature => "Signature",
        Column::Kind => "Kind",
        Column::Reason => "Reason",
        Column::Release => "Release",
        Column::Build => "Build",
        Column::Branch => "Branch",
        Column::ResourceVersion => "Data version",
        Column::Environment => "Environment",
        Column::Platform => "Platform",
        Column::OsVersion => "OS version",
        Column::Arch => "Architecture",
        Column::Device => "Device",
        Column::Gpu => "Graphics",
        Column::GpuDriver => "Graphics driver",
        Column::MemoryClass => "Memory",
        Column::Country => "Country",
        Column::Locale => "Language",
        Column::Engine => "Engine",
        Column::Store => "Store",
        Column::Level => "Level",
        Column::Server => "Server",
        Column::Foreground => "In the foreground",
        Column::Session => "Session",
        Column::User => "User (hashed)",
        Column::Uptime => "Uptime",
        Column::Unreadable => "Unreadable",
    },
    time: "Time",
};

pub(super) const KOREAN: Statistics = Statistics {
    demo: "데모입니다. 게임과 크래시는 모두 지어낸 것입니다.",
    search: "크래시 검색",
    search_hint: "os:Windows gpu:\"RTX 40*\" -country:KR",
    search_button: "검색",
    search_help: "검색 방법",
    clear: "모두 보기",
    not_understood: "검색어를 이해할 수 없습니다",
    did_you_mean: "이렇게 검색해 보세요:",
    nothing_found: "이 기간에 검색 조건에 맞는 크래시가 없습니다.",
    by_users: "사용자 많은 순",
    share: "비율",
    back: "재발",
    back_explained: "직전의 같은 길이 기간에는 없었습니다",
    all_crashes: "전체 크래시",
    see_issues: "이 크래시들의 이슈",
    see_crashes: "크래시 하나씩 보기",
    as_csv: "CSV로 내려받기",
    numbers: "수치 보기",
    special: "눈에 띄는 점",
    special_text: "이 기간의 전체 크래시보다 이 크래시들에서 확실히 더 자주 나타나는 값입니다.",
    among_all: "전체에서",
    overrepresented: "편중",
    beside: |here, all, word| format!("여기서 {here}, 전체 크래시에서 {all}: {word}"),
    here_and_all: |here, all| format!("여기서 {here}, 전체에서 {all}"),
    minutes: |minutes| format!("{minutes}분"),
    hours: |hours| format!("{hours}시간"),
    more: "더 잦음",
    same: "비슷함",
    less: "더 드묾",
    too_few: "판단하기에 적음",
    compare: "비교",
    compare_releases: "릴리스 비교",
    compare_text: "비율은 각 릴리스의 전체 크래시에 대한 것이므로, 플레이어가 많은 릴리스라고 나빠 보이지 않습니다.",
    base: "기준 릴리스",
    compared_with: "비교 릴리스",
    change: "변화",
    only_here: "새로 생김",
    only_there: "사라짐",
    need_two: "이 기간에 크래시가 있는 릴리스가 둘이 되지 않습니다. 더 긴 기간을 고르세요.",
    how_to_search: "검색 방법",
    how_to_search_text: "조건을 나란히 쓰면 모두 만족하는 크래시를 찾습니다. 페이지의 값을 누르면 조건이 하나 더해집니다.",
    write: "이렇게 쓰면",
    meaning: "이런 크래시를 찾습니다",
    names: "이름",
    names_text: "그 밖의 이름은 태그 이름입니다. 짧은 이름: os, version, env, map, driver, memory.",
    syntax: &[
        ("os:Windows", "값이 이것인 크래시(대소문자 무관)"),
        ("gpu:\"RTX 40*\"", "값이 이런 꼴인 크래시: *는 아무 글자들, ?는 글자 하나"),
        ("gpu:=\"RTX 4090\"", "값이 글자까지 똑같은 크래시"),
        ("os:[Windows, Linux]", "값이 이 가운데 하나인 크래시"),
        ("release:>=1.2", "값이 이것과 같거나 나중인 크래시, <와 <=는 이전; 1.9는 1.10보다 앞"),
        ("uptime:<5m", "실행 시간이 더 짧은 크래시: 초, 또는 s, m, h, d를 붙인 수"),
        ("has:user", "값이 있는 크래시; 없는 것은 -has:user"),
        ("tag.shard:eu", "이 이름의 태그가 이 값인 크래시"),
        ("Renderer::draw", "시그니처에 이 글이 들어 있는 크래시; 여러 낱말은 따옴표 안에"),
        ("-country:KR", "조건이 맞지 않는 크래시"),
        ("os:Linux OR kind:hang", "둘 가운데 하나가 맞는 크래시; OR는 대문자로"),
        ("(os:Linux OR kind:hang) has:user", "묶음: 나란히 쓴 것이 OR보다 먼저 묶입니다"),
    ],
    problem: korean_problem,
    column: |column| match column {
        Column::Project => "프로젝트",
        Column::Issue => "이슈",
        Column::Signature => "시그니처",
        Column::Kind => "종류",
        Column::Reason => "원인",
        Column::Release => "릴리스",
        Column::Build => "빌드",
        Column::Branch => "브랜치",
        Column::ResourceVersion => "데이터 버전",
        Column::Environment => "환경",
        Column::Platform => "플랫폼",
        Column::OsVersion => "OS 버전",
        Column::Arch => "아키텍처",
        Column::Device => "기기",
        Column::Gpu => "그래픽",
        Column::GpuDriver => "그래픽 드라이버",
        Column::MemoryClass => "메모리",
        Column::Country => "국가",
        Column::Locale => "언어",
        Column::Engine => "엔진",
        Column::Store => "스토어",
        Column::Level => "레벨",
        Column::Server => "서버",
        Column::Foreground => "앞에 떠 있음",
        Column::Session => "세션",
        Column::User => "사용자(해시)",
        Column::Uptime => "실행 시간",
        Column::Unreadable => "읽을 수 없음",
    },
    time: "시간",
};

fn korean_problem(problem: &Problem) -> String {
    match problem {
        Problem::ExpectedCondition => {
            "os:Windows 같은 조건이나 글, 또는 괄호 묶음이 있어야 합니다".to_owned()
        }
        Problem::ExpectedValue { name, example } => {
            format!("콜론이나 부호 바로 뒤에 {name}의 값이 있어야 합니다. 예: {name}:{example}")
        }
        Problem::EmptyValue { name } => {
            format!("빈 값은 없습니다. {name} 값이 없는 크래시는 -has:{name}로 찾습니다")
        }
        Problem::EmptyText => "따옴표 사이에 글이 있어야 합니다".to_owned(),
        Problem::ExpectedName => "has:user나 has:tag.shard처럼 이름이 있어야 합니다".to_owned(),
        Problem::OpenQuote => "여기서 시작한 따옴표를 \"로 닫아야 합니다".to_owned(),
        Problem::BehindQuote => "따옴표 뒤에는 빈칸이 있어야 하고, 별표는 따옴표 안에 씁니다".to_owned(),
        Problem::OpenGroup => "여기서 시작한 묶음을 )로 닫아야 합니다".to_owned(),
        Problem::StrayClose => "이 )에 맞는 (가 없습니다. 괄호가 든 글은 따옴표 안에 씁니다".to_owned(),
        Problem::OpenList => "여기서 시작한 목록에 ,나 ]가 있어야 합니다".to_owned(),
        Problem::UnknownName { given, suggestion } => {
            format!(
                "{given}라는 이름은 없습니다. {suggestion} 아닌가요? 이 이름의 태그는 tag.{given}로 씁니다"
            )
        }
        Problem::Time { given } => {
            format!("시간은 검색어가 아니라 기간으로 고릅니다. 이 이름의 태그는 tag.{given}로 씁니다")
        }
        Problem::NoSuchValue { name, given, expected, .. } => {
            format!("{name}에 {given}라는 값은 없습니다. 쓸 수 있는 값: {expected}")
        }
        Problem::NoOrder { name, example } => {
            format!("{name}에는 앞뒤가 없습니다. 값이나 목록을 쓰세요. 예: {name}:{example}")
        }
        Problem::SmallLetters { given } => {
            format!(
                "조건을 이으려면 {}로 쓰고, 이 낱말을 찾으려면 \"{given}\"로 쓰세요",
                given.to_uppercase()
            )
        }
        Problem::TooDeep => "묶음은 9겹까지 쓸 수 있습니다".to_owned(),
        Problem::TooMany => "조건은 목록의 값까지 세어 150개까지 쓸 수 있습니다".to_owned(),
        Problem::TooLong { most } => format!("{most}자까지 쓸 수 있습니다"),
    }
}
