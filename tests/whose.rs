//! Whose a flow is said to be: process, cgroup, unit, container, namespace, of
//! sockets that other processes make and hand on. The figures are not looked at.

mod support;

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::{Ipv6Addr, SocketAddr, SocketAddrV6, TcpStream};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use nix::libc;
use nix::sched::{CloneFlags, unshare};
use nix::sys::socket::{setsockopt, sockopt};
use serde_json::Value;
use support::actor::{Actor, act};
use support::cgroup::Cgroup;
use support::lab::Lab;
use support::needs::{need, need_root};
use support::netns::Netns;
use support::tool::{command, pause};

const COLUMNS: &str = "laddr,lport,raddr,rport,netns,netns_name,cgroup,unit,container,pod,pid,comm";
/// Reports to wait for what must come, 0.25 s each.
const PATIENCE: usize = 60;

const CONTAINER: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

#[test]
#[ignore = "no test: what the tests run in processes of their own"]
fn actor() -> Result<()> {
    act()
}

/// The tool at work, and the lines that it prints.
struct Watch {
    child: Child,
    lines: BufReader<ChildStdout>,
}

impl Watch {
    fn start(interval: &str) -> Result<Self> {
        Self::start_with(&["-o", COLUMNS, interval])
    }

    fn start_with(arguments: &[&str]) -> Result<Self> {
        let mut command = command();
        command.args(["--all", "--format", "json"]).args(arguments);
        let mut child = command.stdout(Stdio::piped()).spawn().context("starting tcpcong")?;
        let mut watch =
            Self { lines: BufReader::new(child.stdout.take().context("no stdout")?), child };
        ensure!(watch.line()?["type"] == "start");
        Ok(watch)
    }

    fn line(&mut self) -> Result<Value> {
        let mut line = String::new();
        self.lines.read_line(&mut line)?;
        serde_json::from_str(&line).with_context(|| format!("no JSON: {line}"))
    }

    /// The first row of the flow between these ends of which `enough` holds.
    fn row(
        &mut self,
        [local, remote]: [SocketAddr; 2],
        enough: impl FnMut(&Value) -> bool,
    ) -> Result<Value> {
        let (local_ip, remote_ip) = (local.ip().to_string(), remote.ip().to_string());
        self.first((&local_ip, local.port()), (&remote_ip, remote.port()), enough)
    }

    /// The same of ends in words, as soon as the process is known.
    fn row_of(&mut self, local: (&str, u16), remote: (&str, u16)) -> Result<Value> {
        self.first(local, remote, |row| !row["pid"].is_null())
    }

    fn first(
        &mut self,
        local: (&str, u16),
        remote: (&str, u16),
        mut enough: impl FnMut(&Value) -> bool,
    ) -> Result<Value> {
        let mut reports = 0;
        let mut last = Value::Null;
        while reports < PATIENCE {
            let line = self.line()?;
            reports += usize::from(line["type"] == "report");
            let is_of = |end: (&str, u16), addr: &str, port: &str| {
                line[addr] == end.0 && line[port] == end.1
            };
            if is_of(local, "laddr", "lport") && is_of(remote, "raddr", "rport") {
                if enough(&line) {
                    return Ok(line);
                }
                last = line;
            }
        }
        bail!("after {PATIENCE} reports no such row between {local:?} and {remote:?}; last {last}")
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn who_connects_and_who_accepts_are_told_with_their_cgroups_and_namespaces() -> Result<()> {
    let test = "who_connects_and_who_accepts_are_told_with_their_cgroups_and_namespaces";
    if !need_root(test) {
        return Ok(());
    }
    let Some(cgroup) = Cgroup::new()? else {
        need(test, false, "a cgroup2 hierarchy");
        return Ok(());
    };
    let service = cgroup.below("web@1.service")?;
    let scope = cgroup.below(&format!("docker-{CONTAINER}.scope"))?;
    let lab = Lab::new("whose")?;
    let mut watch = Watch::start("0.25")?;
    let any = SocketAddr::new(lab.server_v4(), 0);
    let mut acceptor = Actor::within(&lab.server, "acceptor", any, Some(&service))?;
    let server: SocketAddr = acceptor.says()?;
    let mut connector = Actor::within(&lab.client, "connector", server, Some(&scope))?;
    let client: SocketAddr = connector.says()?;

    let row = watch.row([server, client], |row| !row["pid"].is_null())?;
    ensure!(row["pid"] == acceptor.pid() && row["comm"] == "acceptor", "{row}");
    ensure!(row["cgroup"] == cgroup.path("web@1.service"), "{row}");
    ensure!(row["unit"] == "web@1.service" && row["container"].is_null(), "{row}");
    ensure!(row["netns_name"] == lab.server.name(), "{row}");

    let row = watch.row([client, server], |row| !row["pid"].is_null())?;
    ensure!(row["pid"] == connector.pid() && row["comm"] == "connector", "{row}");
    ensure!(row["cgroup"] == cgroup.path(&format!("docker-{CONTAINER}.scope")), "{row}");
    ensure!(row["container"] == CONTAINER && row["unit"].is_null(), "{row}");
    ensure!(row["netns_name"] == lab.client.name() && row["pod"].is_null(), "{row}");
    Ok(())
}

#[test]
fn a_socket_belongs_to_its_heir_once_nobody_else_has_it() -> Result<()> {
    if !need_root("a_socket_belongs_to_its_heir_once_nobody_else_has_it") {
        return Ok(());
    }
    let lab = Lab::new("heirs")?;
    let mut watch = Watch::start("0.25")?;
    let any = SocketAddr::new(lab.server_v4(), 0);
    let mut acceptor = Actor::within(&lab.server, "acceptor", any, None)?;
    let server: SocketAddr = acceptor.says()?;
    let mut connector = Actor::within(&lab.client, "connector", server, None)?;
    let client: SocketAddr = connector.says()?;
    let ends = [[server, client], [client, server]];
    for (actor, ends) in [&mut acceptor, &mut connector].into_iter().zip(ends) {
        let heir = actor.bequeath()?;
        // Long enough to be asked for again: it is the elder of the two.
        let mut known = 0;
        let row = watch.row(ends, |row| {
            known += usize::from(!row["pid"].is_null());
            known == 10 || row["pid"] == heir
        })?;
        ensure!(row["pid"] == actor.pid(), "the heir {heir} has it already: {row}");
        actor.order("close")?;
        let row = watch.row(ends, |row| row["pid"] == heir)?;
        ensure!(row["comm"] == "cat", "{row}");
    }
    Ok(())
}

#[test]
fn one_that_connected_and_went_before_the_report_is_known() -> Result<()> {
    if !need_root("one_that_connected_and_went_before_the_report_is_known") {
        return Ok(());
    }
    let lab = Lab::new("brief")?;
    let any = SocketAddr::new(lab.server_v4(), 0);
    let mut acceptor = Actor::within(&lab.server, "acceptor", any, None)?;
    let server: SocketAddr = acceptor.says()?;
    let mut watch = Watch::start("5")?;
    let mut connector = Actor::within(&lab.client, "connector", server, None)?;
    let (client, pid): (SocketAddr, _) = (connector.says()?, connector.pid());
    drop(connector);
    let row = watch.row([client, server], |_| true)?;
    ensure!(row["pid"] == pid && row["comm"] == "connector", "{row}");
    // It is half closed, so its holder is there to be found.
    let row = watch.row([server, client], |row| !row["pid"].is_null())?;
    ensure!(row["pid"] == acceptor.pid() && row["comm"] == "acceptor", "{row}");
    Ok(())
}

#[test]
fn an_accepted_one_that_nobody_was_seen_to_have_is_its_listeners() -> Result<()> {
    if !need_root("an_accepted_one_that_nobody_was_seen_to_have_is_its_listeners") {
        return Ok(());
    }
    let lab = Lab::new("queued")?;
    let any = SocketAddr::new(lab.server_v4(), 0);
    let mut listener = Actor::within(&lab.server, "listener", any, None)?;
    let server: SocketAddr = listener.says()?;
    // Without columns of its own pid means the same.
    let mut watch = Watch::start_with(&["0.25"])?;
    // They wait to be accepted as long as they last, so that no process ever has them: one
    // is reset at once, the other stays.
    for is_reset in [true, false] {
        let socket = lab.client.enter(|| TcpStream::connect(server))??;
        let client = socket.local_addr()?;
        if is_reset {
            setsockopt(&socket, sockopt::Linger, &libc::linger { l_onoff: 1, l_linger: 0 })?;
        }
        drop(socket);
        let enough = |row: &Value| is_reset == (row["ended"] == true) && !row["pid"].is_null();
        let row = watch.row([server, client], enough)?;
        ensure!(row["pid"] == listener.pid() && row["comm"] == "listener", "{row}");
    }
    Ok(())
}

#[test]
fn a_subflow_of_mptcp_belongs_to_who_has_the_connection() -> Result<()> {
    let test = "a_subflow_of_mptcp_belongs_to_who_has_the_connection";
    let has_mptcp = Path::new("/proc/sys/net/mptcp/enabled").exists();
    if !need_root(test) || !need(test, has_mptcp, "a kernel with MPTCP") {
        return Ok(());
    }
    let lab = Lab::new("mptcp")?;
    let any = SocketAddr::new(lab.server_v4(), 0);
    let mut acceptor = Actor::within(&lab.server, "mptcp-acceptor", any, None)?;
    let server: SocketAddr = acceptor.says()?;
    let mut connector = Actor::within(&lab.client, "mptcp-connector", server, None)?;
    let client: SocketAddr = connector.says()?;
    // Begun afterwards: nothing tells who connected.
    let mut watch = Watch::start("0.25")?;
    for (actor, ends) in [(acceptor, [server, client]), (connector, [client, server])] {
        let row = watch.row(ends, |row| !row["pid"].is_null())?;
        ensure!(row["pid"] == actor.pid(), "{row}");
    }
    Ok(())
}

#[test]
fn a_link_local_address_has_its_interface() -> Result<()> {
    if !need_root("a_link_local_address_has_its_interface") {
        return Ok(());
    }
    let lab = Lab::new("links")?;
    let (near, far) = (link_local(&lab.client, "c0")?, link_local(&lab.router, "r0")?);
    let any = SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), 0);
    let mut acceptor = Actor::within(&lab.router, "acceptor", any, None)?;
    let port = acceptor.says::<SocketAddr>()?.port();
    let mut watch = Watch::start_with(&["0.25"])?;
    let to = SocketAddrV6::new(*far.ip(), port, 0, near.scope_id());
    // Somebody in each namespace, whose interfaces show.
    let mut connector = Actor::within(&lab.client, "connector", to.into(), None)?;
    let client: SocketAddr = connector.says()?;
    let (near, far) = (format!("{}%c0", near.ip()), format!("{}%r0", far.ip()));
    let peer = |addr: &str| addr.split('%').next().unwrap_or_default().to_owned();
    let (client_end, server_end) = (client.port(), port);
    let row = watch.row_of((&near, client_end), (&format!("{}%c0", peer(&far)), server_end))?;
    ensure!(row["comm"] == "connector", "{row}");
    let row = watch.row_of((&far, server_end), (&format!("{}%r0", peer(&near)), client_end))?;
    ensure!(row["comm"] == "acceptor", "{row}");
    Ok(())
}

/// The interface's own address, once nobody else may have it.
fn link_local(netns: &Netns, interface: &str) -> Result<SocketAddrV6> {
    for _ in 0..PATIENCE {
        let text = netns.enter(|| fs::read_to_string("/proc/thread-self/net/if_inet6"))??;
        let found = text.lines().find_map(|line| {
            let words: Vec<_> = line.split_whitespace().collect();
            let [address, index, _, scope, flags, name] = words[..] else { return None };
            // 20: link-local; 40: tentative (include/uapi/linux/if_addr.h).
            let flags = u32::from_str_radix(flags, 16).ok()?;
            let is_one = name == interface && scope == "20" && flags & 0x40 == 0;
            let address = Ipv6Addr::from(u128::from_str_radix(address, 16).ok()?);
            let index = u32::from_str_radix(index, 16).ok()?;
            is_one.then(|| SocketAddrV6::new(address, 0, 0, index))
        });
        if let Some(found) = found {
            return Ok(found);
        }
        pause(Duration::from_millis(100));
    }
    bail!("{interface} has no address of its own")
}

#[test]
fn a_namespace_without_a_name_goes_by_its_process() -> Result<()> {
    if !need_root("a_namespace_without_a_name_goes_by_its_process") {
        return Ok(());
    }
    let mut watch = Watch::start("0.25")?;
    let (acceptor, mut connector, server) = std::thread::scope(|scope| {
        let inside = || -> Result<_> {
            unshare(CloneFlags::CLONE_NEWNET)?;
            let up = Command::new("ip").args(["link", "set", "lo", "up"]).status()?;
            ensure!(up.success(), "{up}");
            let mut acceptor = Actor::start("acceptor", "127.0.0.1:0".parse()?, None)?;
            let server: SocketAddr = acceptor.says()?;
            Ok((acceptor, Actor::start("connector", server, None)?, server))
        };
        scope.spawn(inside).join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })?;
    let client: SocketAddr = connector.says()?;
    let lowest = acceptor.pid().min(connector.pid());
    let name = if lowest == acceptor.pid() { "acceptor" } else { "connector" };
    let row = watch.row([client, server], |row| !row["netns_name"].is_null())?;
    ensure!(row["netns_name"] == format!("pid:{lowest}({name})"), "{row}");
    Ok(())
}
