# `make demo` and `make test` do everything on a fresh Debian or Ubuntu machine.
# Building is done as the user; only what must talk to the kernel runs as root.

SUDO := $(if $(filter 0,$(shell id -u)),,sudo -E)
RUNNER := $(if $(SUDO),--config 'target."cfg(all())".runner="$(SUDO)"',)

.PHONY: demo build test verdicts test-kernels fuzz lint package bench man dist install deb rpm container try-packages

demo: build
	$(SUDO) target/release/tcpcong demo

build:
	scripts/setup.sh build
	cargo build --release

test:
	scripts/setup.sh test
	cargo test --workspace $(RUNNER)

# Each case of the demonstration, watched: writes the table of docs/why.md, and fails where
# a verdict is not the one that is expected. Three minutes.
verdicts:
	scripts/setup.sh test
	scripts/verdicts.sh $(RUNNER)

# Twenty minutes of damaged and forged recordings; see src/fuzz/mod.rs.
fuzz:
	TCPCONG_FUZZ_SECONDS=$${TCPCONG_FUZZ_SECONDS:-1200} TCPCONG_FUZZ_SEED=$${TCPCONG_FUZZ_SEED:-$$(date +%s)} \
	RUST_BACKTRACE=0 cargo test --lib fuzz -- --nocapture

lint:
	cargo fmt --check
	cargo clippy --workspace --all-targets -- -D warnings
	cargo clippy --workspace --test kernels -- -D warnings
	cargo clippy --no-default-features -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps
	scripts/layers.sh

# What crates.io would get of each crate, built from that alone. Cargo takes the crates that others
# build on for released ones, which never change, and keeps both their text and what it built.
package:
	rm -rf "$${CARGO_HOME:-$$HOME/.cargo}"/registry/src/-*/tcpcong-*
	cargo clean -q -p tcpcong-core -p tcpcong-live
	cargo package --workspace --exclude tcpcong-benches

bench: build
	-$(SUDO) scripts/bench-setup.sh
	cargo bench -p tcpcong-benches --bench side_by_side $(RUNNER)

man:
	cargo run -q --example man > man/tcpcong.8
	cargo run -q --example configuration > packaging/tcpcong.toml
	for page in trace why top record serve report diff export demo completions; do cargo run -q --example man $$page > man/tcpcong-$$page.8 || exit 1; done

# One file that needs nothing else on the machine where it runs: glibc, libelf
# and zlib are inside. A target is named so that build scripts stay dynamic.
TARGET := $(shell rustc -vV | sed -n 's/^host: //p')
VERSION := $(shell sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -1)
# Later elfutils want zstd too.
ZSTD := $(filter -lzstd,$(shell pkg-config --static --libs-only-l libelf 2>/dev/null))
comma := ,
# A tenth of a megabyte less; a program that relocates itself can from glibc 2.36 on.
RELR := $(shell printf '2.36\n%s\n' "$$(getconf GNU_LIBC_VERSION | cut -d' ' -f2)" | sort -VC && \
	echo '"-Clink-arg=-Wl,-z,pack-relative-relocs"$(comma)')
STATIC = --release --features static --target $(TARGET) --config 'build.rustflags=["-Ctarget-feature=+crt-static", $(RELR) \
	"-Lnative=$(dir $(shell $(CC) -print-file-name=libelf.a))"$(if $(ZSTD),$(comma) "-Clink-arg=$(ZSTD)")]'
BUILT = $(or $(CARGO_TARGET_DIR),target)
alone = if readelf -lW $(1) | grep -q INTERP; then echo "$(1): not static" >&2; exit 1; fi; \
	if [ $$(stat -c %s $(1)) -ge 12000000 ]; then echo "$(1): 12 MB or more" >&2; exit 1; fi
DIST := tcpcong-$(VERSION)-$(firstword $(subst -, ,$(TARGET)))

dist:
	scripts/setup.sh build
	env -u RUSTFLAGS cargo build $(STATIC)
	install -D -m 755 $(BUILT)/$(TARGET)/release/tcpcong dist/$(DIST)
	$(call alone,dist/$(DIST))
	cd dist && sha256sum $(DIST) > SHA256SUMS

# Packages of the static binary, both of the same metadata (Cargo.toml), and an image of it.
ARCH := $(firstword $(subst -, ,$(TARGET)))
DEB = dist/tcpcong_$(VERSION)-1_$(shell dpkg --print-architecture 2>/dev/null).deb
RPM = dist/tcpcong-$(VERSION)-1.$(ARCH).rpm
TOOLS := PATH="$(CURDIR)/target/tools/bin:$$PATH"
dist/root: dist
	scripts/setup.sh package
	scripts/packages/stage.sh dist/$(DIST) dist/root

deb: dist/root
	$(TOOLS) cargo deb -q --no-build --no-strip -o $(DEB)
	cd dist && sha256sum $(notdir $(DEB)) > $(notdir $(DEB)).sha256

rpm: dist/root
	$(TOOLS) cargo generate-rpm -a $(ARCH) -o $(RPM)
	cd dist && sha256sum $(notdir $(RPM)) > $(notdir $(RPM)).sha256

container: dist
	scripts/packages/container.sh dist/$(DIST) tcpcong:$(VERSION)

# The packages installed, the service started, used and stopped, and all taken away again: the
# .deb in emulated machines with Debian's systemd and these kernels. Two to five minutes.
TRIED := 6.1 7.3
try-packages: deb rpm
	scripts/setup.sh package
	scripts/setup.sh kernels
	scripts/packages/try.sh $(DEB) $(RPM) target/packages $(TRIED)

# Every way of attaching on each of these kernels, in emulated machines: twenty
# minutes. Writes docs/kernels.md where all of them are tried, and fails where anything is red.
# The binary is built as that of dist, but once for both: what tests ask of dependencies is in it.
WHOLE := 5.10 6.1 6.12 6.18 7.3
MATRIX := $(WHOLE)
RESULTS := target/kernels
MACHINE := $(RESULTS)/machine/root
test-kernels:
	scripts/setup.sh build
	scripts/setup.sh kernels
	rm -rf $(RESULTS)
	mkdir -p $(MACHINE)
	env -u RUSTFLAGS cargo test --no-run $(STATIC) --test kernels --message-format=json-render-diagnostics > $(RESULTS)/build.json
	built=$$(sed -n 's/.*"name":"kernels".*"executable":"\([^"]*\)".*/\1/p' $(RESULTS)/build.json | tail -n 1); \
	install -s "$$built" $(MACHINE)/kernels
	install $(BUILT)/$(TARGET)/release/tcpcong $(MACHINE)/tcpcong
	$(call alone,$(MACHINE)/tcpcong)
	scripts/kernels/alone.sh $(RESULTS)/machine
	scripts/kernels/matrix.sh $(RESULTS) $(MATRIX)
	$(MACHINE)/kernels page $(MATRIX:%=$(RESULTS)/%.jsonl) > $(RESULTS)/kernels.md
	$(if $(filter-out $(MATRIX),$(WHOLE)),,cp $(RESULTS)/kernels.md docs/kernels.md)
	$(MACHINE)/kernels check $(MATRIX:%=$(RESULTS)/%.jsonl)

PREFIX ?= /usr/local
install:
	@test -x target/release/tcpcong || { echo "install: nothing is built: make build" >&2; exit 1; }
	install -D -m 755 target/release/tcpcong $(DESTDIR)$(PREFIX)/sbin/tcpcong
	install -D -m 644 -t $(DESTDIR)$(PREFIX)/share/man/man8 man/*.8
	mkdir -p $(addprefix $(DESTDIR)$(PREFIX)/share/,bash-completion/completions zsh/site-functions fish/vendor_completions.d)
	target/release/tcpcong completions bash > $(DESTDIR)$(PREFIX)/share/bash-completion/completions/tcpcong
	target/release/tcpcong completions zsh > $(DESTDIR)$(PREFIX)/share/zsh/site-functions/_tcpcong
	target/release/tcpcong completions fish > $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/tcpcong.fish
