//! Paths as systemd and container engines make them, and some that only look so.

use super::*;

const ID: &str = "0a1b2c3d4e5f60718293a4b5c6d7e8f90a1b2c3d4e5f60718293a4b5c6d7e8f9";
const OTHER: &str = "ffffffffeeeeeeeeddddddddccccccccbbbbbbbbaaaaaaaa9999999988888888";
const UID: &str = "6f1b2a54-9c3e-4b0d-8a77-0123456789ab";

/// Unit, container and pod of a path, in which `ID`, `OTHER`, `UID` and `U_ID`
/// (the same with underscores) stand for themselves.
fn said(path: &str) -> [Option<String>; 3] {
    let path = path
        .replace("OTHER", OTHER)
        .replace("U_ID", &UID.replace('-', "_"))
        .replace("UID", UID)
        .replace("ID", ID);
    workload(&path).map_or([None, None, None], |found| [found.unit, found.container, found.pod])
}

fn unit_of(path: &str) -> Option<String> {
    let [unit, container, pod] = said(path);
    assert_eq!((container, pod), (None, None), "{path}");
    unit
}

fn container_of(path: &str) -> Option<String> {
    let [unit, container, pod] = said(path);
    assert_eq!((unit, pod), (None, None), "{path}");
    container
}

#[track_caller]
fn is_pod(path: &str, container: Option<&str>) {
    assert_eq!(said(path), [None, container.map(str::to_owned), Some(UID.to_owned())], "{path}");
}

#[test]
fn systemd_units() {
    let expected = [
        ("/system.slice/nginx.service", "nginx.service"),
        ("/system.slice/system-getty.slice/getty@tty1.service", "getty@tty1.service"),
        (r"/system.slice/dev-disk-by\x2dlabel-swap.swap", r"dev-disk-by\x2dlabel-swap.swap"),
        (
            r"/system.slice/system-openvpn\x2dclient.slice/openvpn-client@home.service",
            "openvpn-client@home.service",
        ),
        ("/system.slice/_cgroup.service", "cgroup.service"),
        ("/system.slice/nginx.service/workers", "nginx.service"),
        ("/init.scope", "init.scope"),
        ("/user.slice/user-1000.slice/session-2.scope", "session-2.scope"),
        ("/user.slice/user-1000.slice/user@1000.service", "user@1000.service"),
        ("/user.slice/user-1000.slice/user@1000.service/init.scope", "user@1000.service"),
        ("/user.slice/user-1000.slice/user@1000.service/app.slice/foo.service", "foo.service"),
        (
            r"/user.slice/user-1000.slice/user@1000.service/app.slice/app-gnome-firefox\x2desr-4711.scope",
            r"app-gnome-firefox\x2desr-4711.scope",
        ),
        (
            "/machine.slice/machine-qemu\\x2d1\\x2dvm.scope/libvirt/emulator",
            "machine-qemu\\x2d1\\x2dvm.scope",
        ),
        (
            "/system.slice/run-r0123456789abcdef0123456789abcdef.scope",
            "run-r0123456789abcdef0123456789abcdef.scope",
        ),
    ];
    for (path, unit) in expected {
        assert_eq!(unit_of(path).as_deref(), Some(unit), "{path}");
    }
}

#[test]
fn docker_and_containerd() {
    for path in [
        "/system.slice/docker-ID.scope",
        "/docker/ID",
        "/actions_job/ID",
        "/default/ID",
        "/system.slice/nerdctl-ID.scope",
        "/docker/OTHER/docker/ID",
        "/docker/ID/init",
    ] {
        assert_eq!(container_of(path).as_deref(), Some(ID), "{path}");
    }
    let rootless = "/user.slice/user-1000.slice/user@1000.service/user.slice/docker-ID.scope";
    assert_eq!(said(rootless), [Some("user@1000.service".into()), Some(ID.into()), None]);
}

#[test]
fn kubernetes() {
    for (path, container) in [
        (
            "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-podU_ID.slice/cri-containerd-ID.scope",
            Some(ID),
        ),
        (
            "/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-podU_ID.slice/crio-ID.scope",
            Some(ID),
        ),
        (
            "/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-podU_ID.slice/crio-ID.scope/container",
            Some(ID),
        ),
        ("/kubepods.slice/kubepods-podU_ID.slice/docker-ID.scope", Some(ID)),
        ("/kubepods.slice/kubepods-podU_ID.slice", None),
        ("/kubepods/burstable/podUID/ID", Some(ID)),
        ("/kubepods/besteffort/podUID/ID", Some(ID)),
        ("/kubepods/podUID/ID", Some(ID)),
        ("/kubepods/podUID/OTHER/docker/ID", Some(ID)),
        // kind, and a pod's own folder within a node that is a container itself.
        (
            "/docker/OTHER/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-podU_ID.slice/cri-containerd-ID.scope",
            Some(ID),
        ),
        ("/docker/OTHER/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-podU_ID.slice", None),
        ("/kubepods-burstable-podU_ID.slice:cri-containerd:ID", Some(ID)),
    ] {
        is_pod(path, container);
    }
    let within_service =
        "/system.slice/containerd.service/kubepods-podU_ID.slice:cri-containerd:ID";
    let expected = [Some("containerd.service".into()), Some(ID.into()), Some(UID.into())];
    assert_eq!(said(within_service), expected);
    // A static pod has a hash for its uid.
    let hash = &ID[..32];
    let path = format!("/kubepods/burstable/pod{hash}/ID");
    assert_eq!(said(&path), [None, Some(ID.into()), Some(hash.into())]);
    // Who watches a container is in the pod, and in no container.
    let watcher = "/kubepods.slice/kubepods-podU_ID.slice/crio-conmon-ID.scope";
    let scope = format!("crio-conmon-{ID}.scope");
    assert_eq!(said(watcher), [Some(scope), None, Some(UID.into())]);
}

#[test]
fn podman() {
    assert_eq!(container_of("/machine.slice/libpod-ID.scope/container").as_deref(), Some(ID));
    assert_eq!(container_of("/libpod_parent/libpod-ID").as_deref(), Some(ID));
    let user = "/user.slice/user-1000.slice/user@1000.service/user.slice";
    let rootless = said(&format!("{user}/libpod-ID.scope/container"));
    assert_eq!(rootless, [Some("user@1000.service".into()), Some(ID.into()), None]);
    let in_pod = said(&format!("{user}/user-libpod_pod_OTHER.slice/libpod-ID.scope/container"));
    assert_eq!(in_pod, [Some("user@1000.service".into()), Some(ID.into()), Some(OTHER.into())]);
    // A container that systemd runs (quadlet), and its watcher beside it.
    let quadlet = said("/system.slice/web.service/libpod-payload-ID");
    assert_eq!(quadlet, [Some("web.service".into()), Some(ID.into()), None]);
    assert_eq!(unit_of("/system.slice/web.service/runtime").as_deref(), Some("web.service"));
    let watcher = format!("libpod-conmon-{ID}.scope");
    assert_eq!(unit_of("/machine.slice/libpod-conmon-ID.scope"), Some(watcher));
}

#[test]
fn lxc() {
    assert_eq!(container_of("/lxc.payload.web").as_deref(), Some("web"));
    assert_eq!(container_of("/lxc/100/ns").as_deref(), Some("100"));
    assert_eq!(container_of("/lxc.payload/web").as_deref(), Some("web"));
    assert_eq!(said("/lxc.monitor.web"), [None, None, None]);
    let within = said("/lxc.payload.web/system.slice/nginx.service");
    assert_eq!(within, [Some("nginx.service".into()), Some("web".into()), None]);
}

#[test]
fn systemd_within_a_container() {
    let within = said("/system.slice/docker-ID.scope/system.slice/nginx.service");
    assert_eq!(within, [Some("nginx.service".into()), Some(ID.into()), None]);
    let manager = said("/docker/ID/init.scope");
    assert_eq!(manager, [Some("init.scope".into()), Some(ID.into()), None]);
}

#[test]
fn what_only_looks_so() {
    for path in [
        "",
        "/",
        "/system.slice",
        "/user.slice/user-1000.slice",
        "/kubepods.slice/kubepods-besteffort.slice",
        "/docker",
        "/docker/buildx",
        // One digit less, one more, and capitals.
        "/docker/0a1b2c3d4e5f60718293a4b5c6d7e8f90a1b2c3d4e5f60718293a4b5c6d7e8f",
        "/docker/0a1b2c3d4e5f60718293a4b5c6d7e8f90a1b2c3d4e5f60718293a4b5c6d7e8f9a",
        "/docker/0A1B2C3D4E5F60718293A4B5C6D7E8F90A1B2C3D4E5F60718293A4B5C6D7E8F9",
        // A pod's folder anywhere else, and no uid.
        "/podUID",
        "/kubepods/burstable/podcast",
        "/system.slice/system-podU_ID.slice",
        // No names of units.
        "/.service",
        "/@tty1.service",
        "/my own.service",
        "/nginx.service.d",
        "/nginx.timer",
    ] {
        assert_eq!(said(path), [None, None, None], "{path}");
    }
    // Units, and no containers: Podman's health check, and somebody's scope.
    for name in ["ID-1f2e3d.service", "ID.service", "ID.scope", "docker-registry.service"] {
        let path = format!("/system.slice/{name}");
        assert_eq!(unit_of(&path), Some(name.replace("ID", ID)), "{path}");
    }
    let long = format!("/{}.service", "x".repeat(300));
    assert_eq!(said(&long), [None, None, None]);
}
