//! The pages in Korean.

use epitaph_catalog::IssueStatus;
use epitaph_crash_model::{Kind, NoteReason, Role, StepDecision, Trust};

use super::{Advice, Explained, Texts};

/// The pages in Korean.
pub(crate) const KOREAN: Texts = Texts {
    skip_to_content: "본문으로 건너뛰기",
    main_navigation: "프로젝트 메뉴",
    project: "프로젝트",
    overview: "개요",
    issues: "이슈",
    connect: "크래시 보내기",
    search_label: "크래시 ID 또는 이슈 번호로 찾기",
    search_placeholder: "크래시 ID 또는 #이슈 번호",
    dark: "어둡게",
    light: "밝게",
    sign_out: "로그아웃",
    copy: "복사",
    copied: "복사됨",

    period: "기간",
    last_hour: "1시간",
    last_24_hours: "24시간",
    last_7_days: "7일",
    last_30_days: "30일",
    last_90_days: "90일",
    just_now: "방금 전",
    minutes_ago: |count| format!("{count}분 전"),
    hours_ago: |count| format!("{count}시간 전"),
    days_ago: |count| format!("{count}일 전"),
    seconds: |seconds| format!("{seconds}초"),
    minutes: |minutes, seconds| format!("{minutes}분 {seconds}초"),
    hours: |hours, minutes| format!("{hours}시간 {minutes}분"),
    bar: |start, count| format!("{start} UTC부터: 크래시 {count}건"),
    chart: |total, most| format!("시간별 크래시: 모두 {total}건, 한 구간 최대 {most}건"),

    issue: "이슈",
    crash: "크래시",
    crashes: "크래시",
    users: "사용자",
    trend: "추이",
    first_seen: "최초 발생",
    last_seen: "최근 발생",
    releases: "릴리스",
    received: "수신",
    occurred: "발생",
    release: "릴리스",
    environment: "환경",
    system: "시스템",
    uptime: "실행 시간",
    order: "정렬",
    by_count: "많은 순",
    by_last_seen: "최근 발생 순",
    by_first_seen: "새 이슈 순",
    active_issues: "이슈",
    new_issues: "새 이슈",
    new: "신규",
    top_issues: "주요 이슈",
    all_issues: "전체 이슈",
    latest_crashes: "최근 크래시",
    others: "기타",
    not_told: "정보 없음",
    nothing_in_period: "이 기간에는 크래시가 없습니다.",
    look_further_back: "최근 90일 보기",
    no_more_crashes: "표시할 크래시가 없습니다. 보관 기간이 지났을 수 있습니다.",
    older: "이전 크래시 더 보기",
    newest: "최신 크래시로 돌아가기",
    against_before: |before| format!("직전 같은 기간: {before}건"),
    only_first: |limit| format!("상위 {limit}개 이슈만 표시합니다. 나머지를 보려면 기간을 줄여 주세요."),
    statistics: super::statistics::KOREAN,
    symbols: super::symbols::KOREAN,

    at_address: "주소",
    unreadable: "해석 불가",
    unreadable_heading: "이 크래시는 해석하지 못했습니다",
    unreadable_text: "통계에는 포함되며 파일도 그대로 보관합니다. 파일을 내려받아 디버거로 열어 보세요.",
    document_gone: "이 크래시의 상세 정보는 저장소에 더 이상 없습니다. 아래는 통계에 남아 있는 내용입니다.",
    only_counted: |rule| {
        format!(
            "프로젝트 규칙 {rule}에 따라 집계만 한 크래시입니다. 같은 시간대에 이 이슈의 크래시가 이미 충분히 보관되었습니다. \
             아래는 통계에 남아 있는 내용입니다."
        )
    },
    counted: "집계만",
    kept_nearby: "같은 시간대에 보관된 크래시:",
    see_the_issue: "이 이슈의 모든 크래시",
    assertion: "실패한 검사",
    not_kept: "보관하지 못한 항목",
    crashing_thread: "크래시가 발생한 스레드",
    other_threads: "다른 스레드",
    thread: |index, id, name| match name {
        Some(name) => format!("스레드 {index}: {name} ({id})"),
        None => format!("스레드 {index} ({id})"),
    },
    frames: |count| format!("프레임 {count}개"),
    frames_left_out: |count| format!("프레임 {count}개를 생략했습니다. 전체는 JSON에서 볼 수 있습니다."),
    threads_left_out: |count| format!("스레드 {count}개를 더 생략했습니다. 전체는 JSON에서 볼 수 있습니다."),
    no_frames: "프레임 없음",
    function: "함수",
    source: "소스",
    offset: "오프셋",
    trust: "탐색 방법",
    inlined: "인라인",
    in_signature: "시그니처에 포함된 프레임",
    registers: "레지스터",
    modules: "모듈",
    module: "모듈",
    version: "버전",
    addresses: "주소 범위",
    debug_id: "디버그 ID",
    annotations: "부가 정보",
    name: "이름",
    value: "값",
    cut: "일부만 표시. 전체는 JSON에 있습니다",
    facts: "기본 정보",
    operating_system: "운영체제",
    processor: "프로세서",
    cores: |count| format!("{count}코어"),
    device: "기기",
    gpu: "그래픽",
    user: "사용자(해시)",
    stands_for: "대표하는 리포트",
    reports: |count| format!("{count}건"),
    client: "보낸 클라이언트",
    files_note: "텍스트 파일은 개인정보를 지우고 보관합니다. 미니덤프, 이미지 등 바이너리 파일은 플레이어의 게임이 보낸 그대로이며 \
                 어떤 정보든 들어 있을 수 있습니다.",
    files: "파일",
    signature: "시그니처",
    how_signed: "시그니처가 만들어진 과정",
    exceptions: "예외",
    caused_by: "원인",
    handled: "처리됨",
    not_handled: "처리되지 않음",
    stack_of_exception: "예외의 스택",
    in_app: "게임 코드",
    foreign_frames: |count| format!("엔진·라이브러리·시스템 프레임 {count}개"),
    message: "메시지",
    player_wrote: "플레이어가 남긴 글",
    breadcrumbs: "직전에 일어난 일",
    older_left_out: |count| format!("이전 {count}건을 생략했습니다. 전체는 JSON에서 볼 수 있습니다."),
    time: "시각",
    category: "분류",
    level: "수준",
    tags: "태그",
    contexts: "컨텍스트",
    build: "빌드",
    player: "플레이어",
    client_id: "클라이언트 ID",
    aliases: "같은 크래시의 다른 ID",
    fingerprint: "클라이언트가 지정한 그룹",

    kind: |kind| match kind {
        Kind::Crash => "크래시",
        Kind::Hang => "응답 없음",
        Kind::Oom => "메모리 부족",
        Kind::Assert => "어서트",
        Kind::Ensure => "ensure",
        Kind::Error => "오류",
    },
    status: |status| match status {
        IssueStatus::Open => "열림",
        IssueStatus::Resolved => "해결됨",
        IssueStatus::Ignored => "무시됨",
    },
    role: |role| match role {
        Role::Minidump => "미니덤프",
        Role::Event => "Sentry 이벤트",
        Role::EventMsgpack => "Sentry 이벤트 (MessagePack)",
        Role::BreadcrumbsMsgpack => "브레드크럼 (MessagePack)",
        Role::Report => "리포트",
        Role::UnrealContext => "언리얼 크래시 컨텍스트",
        Role::Feedback => "플레이어 의견",
        Role::Attachment => "첨부 파일",
    },
    trusted: |trust| match trust {
        Trust::Context => Explained {
            word: "컨텍스트",
            meaning: "스레드의 레지스터에서 직접 읽었습니다. 확실합니다.",
        },
        Trust::Cfi => Explained {
            word: "CFI",
            meaning: "모듈의 호출 프레임 정보로 찾았습니다. 믿을 수 있습니다.",
        },
        Trust::FramePointer => Explained {
            word: "프레임 포인터",
            meaning: "프레임 포인터를 따라 찾았습니다. 대체로 정확합니다.",
        },
        Trust::CfiScan => Explained {
            word: "CFI 스캔",
            meaning: "스택을 훑어 찾은 뒤 호출 프레임 정보로 확인했습니다. 아마 정확합니다.",
        },
        Trust::Scan => Explained {
            word: "스캔",
            meaning: "스택에서 반환 주소처럼 보이는 값을 찾은 것입니다. 추정입니다.",
        },
        Trust::Given => {
            Explained { word: "원본", meaning: "클라이언트가 보낸 그대로입니다." }
        }
    },
    decision: |decision| match decision {
        StepDecision::Used => "사용",
        StepDecision::Skipped => "제외",
    },
    note: |reason| match reason {
        NoteReason::NotReadable => "내용을 읽을 수 없어 파일만 보관했습니다",
        NoteReason::FileTooLarge => "파일 하나의 크기 제한을 넘었습니다",
        NoteReason::TooManyFiles => "리포트에 넣을 수 있는 파일 수를 넘었습니다",
        NoteReason::AnnotationTooLarge => "부가 정보가 너무 길거나 너무 많습니다",
        NoteReason::RequestTooLarge => "요청 크기 제한을 넘었습니다. 그 전까지 받은 내용은 보관했습니다",
        NoteReason::RequestBrokeOff => {
            "요청이 중간에 끊겼거나 형식이 잘못되었습니다. 그 전까지 받은 내용은 보관했습니다"
        }
        NoteReason::SecondMinidump => "두 번째 미니덤프입니다. 분석하지 않고 첨부 파일로 보관합니다",
    },

    no_crash_yet: "아직 크래시가 없습니다",
    no_crash_yet_text: "첫 리포트가 도착하면 이 페이지가 채워집니다. 보내는 방법은 다음과 같습니다.",
    connect_try: "직접 보내 보기",
    connect_try_text: "미니덤프 하나를 직접 보내 보세요. 응답으로 받은 크래시 ID를 검색창에 넣으면 됩니다.",
    connect_crashpad_text: "핸들러의 업로드 URL에 이 주소를 지정하세요. 그 밖에 바꿀 것은 없습니다.",
    connect_dsn_text: "네이티브, 엔진, 언어별 Sentry SDK에 이 값을 DSN으로 지정하세요.",
    connect_unreal_text: "프로젝트 Config 폴더의 DefaultEngine.ini에 아래 내용을 넣고, CrashReportClient를 포함해 패키징하세요.",
    connect_report: "Unity, Godot, 웹",
    connect_report_text: "HTTP 요청을 보낼 수 있는 엔진이라면 JSON 하나를 보내면 됩니다. \
                          Unity와 Godot에서 Sentry SDK를 쓴다면 DSN을 지정하세요.",
    no_key: "이 프로젝트의 키가 모두 폐기되어 보고서를 받지 않습니다. 새 키를 발급하세요:",
    connect_key_text: "이 키로는 이 프로젝트에 리포트를 보낼 수만 있고 아무것도 읽을 수 없습니다. \
                       게임에 넣어 배포해도 됩니다.",

    sign_in: "로그인",
    sign_in_text: "서버가 시작할 때 출력한 링크를 열거나, 토큰(EPITAPH_TOKEN)을 여기에 붙여 넣으세요.",
    token: "토큰",
    wrong_token: "토큰이 맞지 않습니다. 서버 출력이나 설정에서 토큰 전체를 다시 복사해 주세요.",
    to_overview: "개요로 이동",

    no_such_page: Advice {
        heading: "페이지를 찾을 수 없습니다",
        advice: "주소를 잘못 입력했거나 오래된 링크일 수 있습니다. 개요에서 다시 시작해 주세요.",
    },
    no_such_project: Advice {
        heading: "프로젝트를 찾을 수 없습니다",
        advice: "개요 위쪽에서 프로젝트를 고르거나, 다음 명령으로 추가하세요: epitaph project add",
    },
    no_such_issue: Advice {
        heading: "이 프로젝트에 그런 이슈가 없습니다",
        advice: "다른 프로젝트의 번호일 수 있습니다. 이슈 목록에서 확인해 주세요.",
    },
    no_such_crash: Advice {
        heading: "이 ID의 크래시가 없습니다",
        advice: "방금 보낸 리포트라면 처리에 1~2초가 걸립니다. 잠시 후 새로 고침해 주세요. 오래된 크래시는 보관 기간이 \
                 지났거나, 운영 규칙에 따라 버려졌을 수 있습니다.",
    },
    no_such_file: Advice {
        heading: "파일을 찾을 수 없습니다",
        advice: "이 크래시에 없는 파일이거나 보관 기간이 지났습니다. 크래시 페이지에서 파일 목록을 확인해 주세요.",
    },
    not_an_id: Advice {
        heading: "크래시 ID가 아닙니다",
        advice: "크래시 ID는 16진수 32자리이며, 하이픈이나 앞의 bp-는 있어도 되고 없어도 됩니다. 이슈는 #12처럼 번호로 \
                 찾습니다.",
    },
    bad_request: Advice {
        heading: "요청을 이해하지 못했습니다",
        advice: "이전 페이지로 돌아가 입력한 내용을 확인하고 다시 보내 주세요.",
    },
    foreign_origin: Advice {
        heading: "다른 사이트에서 보낸 요청입니다",
        advice: "아무 작업도 하지 않았습니다. 이 서버의 페이지를 직접 열어 다시 시도해 주세요.",
    },
    wrong_method: Advice {
        heading: "이 주소에서는 처리할 수 없는 요청입니다",
        advice: "페이지로 열거나, API 설명에서 올바른 메서드를 확인해 주세요.",
    },
    too_large: Advice {
        heading: "요청이 너무 큽니다", advice: "더 작게 나누어 보내 주세요."
    },
    unavailable: Advice {
        heading: "카탈로그 또는 저장소가 응답하지 않습니다",
        advice: "리포트 수신은 계속됩니다. 잠시 후 다시 시도해 주세요. 원인은 서버 로그에 있습니다.",
    },
    broken: Advice {
        heading: "페이지를 만들지 못했습니다",
        advice: "서버의 문제이며 사용자의 잘못이 아닙니다. 원인은 서버 로그에 있습니다.",
    },
};
