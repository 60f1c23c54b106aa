# `make demo` and `make test` do everything on a fresh Debian or Ubuntu machine.
# Building is done as the user; only what must talk to the kernel runs as root.

SUDO := $(if $(filter 0,$(shell id -u)),,sudo -E)
RUNNER := $(if $(SUDO),--config 'target."cfg(all())".runner="$(SUDO)"',)

.PHONY: demo build test lint bench man install

demo: build
	$(SUDO) target/release/tcpcong demo

build:
	scripts/setup.sh build
	cargo build --release

test:
	scripts/setup.sh test
	cargo build --release
	cargo test $(RUNNER)

lint:
	cargo fmt --check
	cargo clippy --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --no-deps

bench: build
	$(SUDO) scripts/bench-setup.sh
	cargo bench --bench side_by_side $(RUNNER)

man:
	cargo run -q --example man > man/tcpcong.8

PREFIX ?= /usr/local
install: build
	install -D -m 755 target/release/tcpcong $(DESTDIR)$(PREFIX)/sbin/tcpcong
	install -D -m 644 man/tcpcong.8 $(DESTDIR)$(PREFIX)/share/man/man8/tcpcong.8
