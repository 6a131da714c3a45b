//! PostgreSQL, and PgBouncer before it.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    os::unix::{
        fs::{PermissionsExt, chown},
        process::CommandExt,
    },
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, geteuid, kill_process};
use tempfile::TempDir;

use crate::{free_port, left_out, program, succeed};

/// The role that owns everything.
const ROLE: &str = "epitaph";
/// Its password, with characters that mean something in a URL.
const PASSWORD: &str = "p@ss/wörd%41";
const PASSWORD_IN_URL: &str = "p%40ss%2Fw%C3%B6rd%2541";
/// Whom root runs the server as, since PostgreSQL refuses to run as root: `nobody`.
const NOBODY: u32 = 65534;
/// How long a server may take until it answers.
const PATIENCE: Duration = Duration::from_secs(120);

/// Runs the server as long as its own standard input is open, which ends with the test's process for whatever reason.
/// Then the server's processes end at once, and its directory goes if this was asked for.
const KEEPER: &str = r#"
directory=$1; signal=$2; shift 2
"$@" & server=$!
echo $server
cat >/dev/null
kill -$signal $server 2>/dev/null
kill -CONT $server $(cat /proc/$server/task/$server/children) 2>/dev/null
wait $server
test -z "$directory" || rm -rf "$directory"
"#;

/// A PostgreSQL server that belongs to a test, or to all tests of a program.
#[derive(Debug)]
pub struct Postgres {
    programs: PathBuf,
    directory: PathBuf,
    port: u16,
    options: Vec<String>,
    running: Option<Running>,
    databases: AtomicU32,
    /// Removes the directory, unless the keeper does.
    _place: Option<TempDir>,
}

/// A program under a keeper.
#[derive(Debug)]
struct Running {
    keeper: Child,
    alive: Option<ChildStdin>,
    process: Pid,
}

impl Postgres {
    /// Starts a server of the test's own on a free port. `None` leaves a test out, see [`program`].
    pub fn start() -> Option<Self> {
        Self::with_options(&[])
    }

    /// Starts a server with settings of its own, as in `max_connections=5`.
    pub fn with_options(options: &[&str]) -> Option<Self> {
        let mut server = Self::new(options)?;
        server.run();
        Some(server)
    }

    /// Starts a server that takes TLS connections only. It proves that it is `127.0.0.1` by a certificate that
    /// [`Postgres::root_certificate`] has signed.
    pub fn with_tls() -> Option<Self> {
        let openssl = program(&["openssl"])?;
        let mut server = Self::new(&["ssl=on", "ssl_cert_file=server.crt", "ssl_key_file=server.key"])?;
        certify(&openssl, &server.directory);
        let rules = server.directory.join("data/pg_hba.conf");
        fs::write(rules, "hostssl all all 127.0.0.1/32 scram-sha-256\n").unwrap();
        server.run();
        Some(server)
    }

    /// The server of all tests in this process, started with the first of them.
    pub fn shared() -> Option<&'static Self> {
        static SHARED: OnceLock<Option<Postgres>> = OnceLock::new();
        let start = || {
            let mut server = Self::new(&[])?;
            // Nothing static is ever dropped: the keeper cleans up.
            server._place = server._place.take().and_then(|place| {
                let _ = place.keep();
                None
            });
            server.run();
            Some(server)
        };
        SHARED.get_or_init(start).as_ref()
    }

    /// A server that is not started yet.
    fn new(options: &[&str]) -> Option<Self> {
        let programs = programs()?;
        let place = tempfile::tempdir().unwrap();
        let directory = place.path().to_owned();
        give_away(&directory);
        let password = directory.join("password");
        fs::write(&password, PASSWORD).unwrap();
        give_away(&password);
        let mut initdb = as_nobody(&programs.join("initdb"));
        initdb.arg("--pgdata").arg(directory.join("data")).args(["--username", ROLE, "--no-sync"]);
        // An order of texts that is not the one of their bytes, as most servers have.
        initdb.args(["--encoding=UTF8", "--locale=C.UTF-8", "--locale-provider=icu", "--icu-locale=en-US"]);
        initdb.arg("--auth=scram-sha-256").arg("--pwfile").arg(&password);
        succeed(initdb.current_dir(&directory));
        Some(Self {
            programs,
            directory,
            port: free_port(),
            options: options.iter().map(|&option| option.to_owned()).collect(),
            running: None,
            databases: AtomicU32::new(0),
            _place: Some(place),
        })
    }

    /// Where a database is: `postgres://ROLE:PASSWORD@127.0.0.1:PORT/DATABASE`.
    pub fn url(&self, database: &str) -> String {
        format!("postgres://{ROLE}:{PASSWORD_IN_URL}@127.0.0.1:{}/{database}", self.port)
    }

    /// Makes an empty database, and says where it is.
    pub fn database(&self) -> String {
        let name = format!("test_{}", self.databases.fetch_add(1, Ordering::Relaxed));
        self.command(&format!("CREATE DATABASE {name}"));
        self.url(&name)
    }

    /// Removes a database that [`Postgres::database`] made, even if somebody is still connected to it.
    pub fn drop_database(&self, url: &str) {
        let name = url.rsplit('/').next().unwrap();
        self.command(&format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"));
    }

    /// Runs a statement in the database `postgres`, and gives what it printed.
    pub fn command(&self, statement: &str) -> String {
        self.command_in("postgres", statement)
    }

    /// Runs a statement in a database, and gives what it printed.
    pub fn command_in(&self, database: &str, statement: &str) -> String {
        let mut psql = self.psql(database, statement);
        String::from_utf8(succeed(&mut psql).stdout).unwrap().trim().to_owned()
    }

    /// The port it listens on, of the loopback interface.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The password, which must be shown nowhere: as it is, and as it is in the URL.
    pub fn password(&self) -> [&'static str; 2] {
        [PASSWORD, PASSWORD_IN_URL]
    }

    /// The certificate that has signed the server's own, of a server that was started [`Postgres::with_tls`].
    pub fn root_certificate(&self) -> PathBuf {
        self.directory.join("root.crt")
    }

    /// Ends it as a crash of its machine would. What it had promised to keep is on its disk.
    pub fn kill(&mut self) {
        if let Some(mut running) = self.running.take() {
            let _ = kill_process(running.process, Signal::KILL);
            running.end();
        }
    }

    /// Stops all its processes where they are: it goes on accepting connections and answers nobody.
    pub fn freeze(&self) {
        self.signal_all(Signal::STOP);
    }

    /// Lets it go on.
    pub fn thaw(&self) {
        self.signal_all(Signal::CONT);
    }

    /// Starts it again after [`Postgres::kill`], on the same port, and waits until it answers.
    pub fn restart(&mut self) {
        self.run();
    }

    fn signal_all(&self, signal: Signal) {
        let Some(running) = &self.running else { return };
        let server = running.process.as_raw_nonzero();
        let children = fs::read_to_string(format!("/proc/{server}/task/{server}/children")).unwrap();
        let children = children.split_whitespace().filter_map(|id| Pid::from_raw(id.parse().ok()?));
        for process in [running.process].into_iter().chain(children) {
            let _ = kill_process(process, signal);
        }
    }

    fn run(&mut self) {
        let begun = Instant::now();
        loop {
            let mut running = self.spawn();
            while running.keeps_running() {
                if self.psql("postgres", "SELECT 1").output().unwrap().status.success() {
                    self.running = Some(running);
                    return;
                }
                assert!(
                    begun.elapsed() < PATIENCE,
                    "PostgreSQL does not answer; see {}",
                    self.log().display()
                );
                thread::sleep(Duration::from_millis(20));
            }
            // Processes of the one that was killed may still be there for a moment.
            let said = fs::read_to_string(self.log()).unwrap_or_default();
            assert!(begun.elapsed() < PATIENCE, "PostgreSQL ended: {said}");
            thread::sleep(Duration::from_millis(50));
        }
    }

    fn spawn(&self) -> Running {
        let log = fs::File::options().create(true).append(true).open(self.log()).unwrap();
        let mut command = as_nobody(Path::new("/bin/sh"));
        let cleans_up = if self._place.is_none() { self.directory.as_os_str() } else { "".as_ref() };
        command.args(["-c", KEEPER, "keeper"]).arg(cleans_up).arg("QUIT");
        command.arg(self.programs.join("postgres")).arg("-D").arg(self.directory.join("data"));
        command.args(["-p", &self.port.to_string(), "-h", "127.0.0.1", "-k", ""]);
        // A killed server loses nothing by this, only a machine would.
        for setting in ["fsync=off", "max_connections=200", "shared_buffers=32MB"] {
            command.args(["-c", setting]);
        }
        for option in &self.options {
            command.args(["-c", option]);
        }
        Running::start(command.stderr(log))
    }

    fn log(&self) -> PathBuf {
        self.directory.join("log")
    }

    fn psql(&self, database: &str, statement: &str) -> Command {
        let mut psql = Command::new(self.programs.join("psql"));
        psql.args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1"]);
        psql.args(["-p", &self.port.to_string(), "-U", ROLE, "-d", database, "-c", statement]);
        psql.env("PGPASSWORD", PASSWORD).env("PGCONNECT_TIMEOUT", "10").env_remove("PGOPTIONS");
        psql
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        if let Some(mut running) = self.running.take() {
            running.end();
        }
    }
}

impl Running {
    fn start(command: &mut Command) -> Self {
        let keeper = command.stdin(Stdio::piped()).stdout(Stdio::piped()).process_group(0).spawn();
        let mut keeper = keeper.unwrap_or_else(|error| panic!("{command:?} does not start: {error}"));
        let mut line = String::new();
        BufReader::new(keeper.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let process = Pid::from_raw(line.trim().parse().unwrap()).unwrap();
        Self { alive: keeper.stdin.take(), keeper, process }
    }

    fn keeps_running(&mut self) -> bool {
        // One that has ended is a zombie until its keeper waits for it: its state stands behind its name in parentheses.
        let state = fs::read_to_string(format!("/proc/{}/stat", self.process.as_raw_nonzero()));
        state.is_ok_and(|state| state.rsplit_once(") ").is_some_and(|(_, state)| !state.starts_with('Z')))
    }

    fn end(&mut self) {
        drop(self.alive.take());
        let _ = self.keeper.wait();
    }
}

/// PgBouncer before a server, handing its connections from transaction to transaction.
#[derive(Debug)]
pub struct Pooler {
    running: Running,
    port: u16,
    _place: TempDir,
}

impl Pooler {
    /// Starts one on a free port, which has `connections` to the server. `None` leaves a test out, see [`program`].
    pub fn start(server: &Postgres, connections: u32) -> Option<Self> {
        let pgbouncer = program(&["pgbouncer", "/usr/sbin/pgbouncer"])?;
        let place = tempfile::tempdir().unwrap();
        give_away(place.path());
        let port = free_port();
        let users = place.path().join("users");
        fs::write(&users, format!("\"{ROLE}\" \"{PASSWORD}\"\n")).unwrap();
        let settings = place.path().join("settings");
        let mut file = fs::File::create(&settings).unwrap();
        write!(
            file,
            "[databases]\n* = host=127.0.0.1 port={} user={ROLE} password='{PASSWORD}'\n\
             [pgbouncer]\nlisten_addr=127.0.0.1\nlisten_port={port}\nunix_socket_dir=\n\
             auth_type=plain\nauth_file={}\npool_mode=transaction\ndefault_pool_size={connections}\n\
             ignore_startup_parameters=extra_float_digits\nserver_round_robin=1\n",
            server.port,
            users.display()
        )
        .unwrap();
        let mut command = as_nobody(Path::new("/bin/sh"));
        command.args(["-c", KEEPER, "keeper", "", "TERM"]).arg(pgbouncer).arg("-q").arg(settings);
        let log = fs::File::create(place.path().join("log")).unwrap();
        let mut running = Running::start(command.stderr(log));
        let begun = Instant::now();
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            let said = || fs::read_to_string(place.path().join("log")).unwrap_or_default();
            assert!(running.keeps_running(), "PgBouncer ended: {}", said());
            assert!(begun.elapsed() < PATIENCE, "PgBouncer does not listen: {}", said());
            thread::sleep(Duration::from_millis(20));
        }
        Some(Self { running, port, _place: place })
    }

    /// The URL of a server's database, by way of this.
    pub fn url(&self, url: &str, server: &Postgres) -> String {
        url.replace(&format!(":{}/", server.port), &format!(":{}/", self.port))
    }
}

impl Drop for Pooler {
    fn drop(&mut self) {
        self.running.end();
    }
}

/// Where the newest PostgreSQL of this machine has its programs. Debian keeps them out of the path.
fn programs() -> Option<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let number = |path: &Path| path.file_name()?.to_str()?.parse::<u32>().ok();
    let newest = versions.map(|entry| entry.path()).filter(|path| path.join("bin/initdb").is_file());
    if let Some(newest) = newest.max_by_key(|path| number(path)) {
        return Some(newest.join("bin"));
    }
    let found = program(&["initdb"])?;
    let folder = fs::canonicalize(found).unwrap().parent().unwrap().to_owned();
    if !folder.join("psql").is_file() {
        left_out("there is no psql beside initdb");
        return None;
    }
    Some(folder)
}

fn as_nobody(program: &Path) -> Command {
    let mut command = Command::new(program);
    if geteuid().is_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
    for name in ["PGOPTIONS", "PGDATA", "PGPORT", "PGHOST"] {
        command.env_remove(name);
    }
    command
}

/// Makes a file or directory the server's own.
fn give_away(path: &Path) {
    if geteuid().is_root() {
        chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
    }
}

/// A root certificate, and the server's, which it has signed.
fn certify(openssl: &Path, directory: &Path) {
    let data = directory.join("data");
    let run = |arguments: &[&str]| {
        succeed(Command::new(openssl).args(arguments).current_dir(directory));
    };
    let new_key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
    let root = ["req", "-x509", "-days", "2", "-subj", "/CN=root", "-keyout", "root.key", "-out", "root.crt"];
    let may_sign = ["-addext", "keyUsage=critical,keyCertSign"];
    run(&[&root[..], &new_key, &may_sign].concat());
    let asked = ["req", "-subj", "/CN=server", "-keyout", "data/server.key", "-out", "server.csr"];
    run(&[&asked[..], &new_key].concat());
    fs::write(directory.join("names"), "subjectAltName=IP:127.0.0.1\n").unwrap();
    let signed = ["x509", "-req", "-in", "server.csr", "-CA", "root.crt", "-CAkey", "root.key", "-days", "2"];
    run(&[&signed[..], &["-CAcreateserial", "-extfile", "names", "-out", "data/server.crt"]].concat());
    let key = data.join("server.key");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    for path in [key, data.join("server.crt")] {
        give_away(&path);
    }
}
