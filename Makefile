# ipamfs: `make run` shows it, `make test` proves it, `make help` lists the rest.
#
# A build directory holds one flavour: `make B=build/asan FLAVOUR=asan` builds beside the plain one.

VERSION  := 0.1.0
B        ?= build
FLAVOUR  ?=
PREFIX   ?= /usr/local
DESTDIR  ?=
# Where container runtimes look for plugins; the plugin is called ipamfs there.
CNI_DIRS ?= /opt/cni/bin /usr/lib/cni
BINDIR   ?= $(PREFIX)/bin
LIBDIR   ?= $(PREFIX)/lib
UNITDIR  ?= $(PREFIX)/lib/systemd/system
DOCDIR   ?= $(PREFIX)/share/doc/ipamfs
ZSHDIR   ?= $(PREFIX)/share/zsh/site-functions
CC       ?= cc
NM       ?= nm
OBJCOPY  ?= objcopy

flags_   := -O2
flags_quick := -O0
flags_asan := -O1 -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
flags_fuzz := -O1 -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
flags_coverage := -O0 --coverage
flags_tsan := -O1 -fsanitize=thread -fno-omit-frame-pointer
SAN      := $(flags_$(FLAVOUR))

CFLAGS   ?= -g
# A newer compiler warns of more: that ends the build of a developer, never that of who builds a release.
DEV      ?=
WARN     := -std=gnu11 -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla $(if $(DEV),-Werror)
CPPFLAGS += -D_GNU_SOURCE -DIPAM_VERSION='"$(VERSION)"' -DFUSE_USE_VERSION=314 -I. -Icore -Itools $(shell pkg-config --cflags fuse3 2>/dev/null)
LDLIBS_core  := -lsqlite3 -ljansson -lcurl -lpthread
LDLIBS_fuse  := $(shell pkg-config --libs fuse3 2>/dev/null || echo -lfuse3)
LDLIBS_fs    := -lcap-ng -lseccomp
ALL_CFLAGS = $(WARN) $(SAN) $(CFLAGS) -MMD -MP

core_src := $(wildcard core/*.c core/*/*.c)
fs_src   := $(wildcard fs/*/*.c)
cli_src  := $(wildcard tools/cli/*.c)
# And what ipamctl, too, knows of a Node.
ctl_src  := $(cli_src) $(wildcard tools/ipamctl/*.c tools/ipamctl/*/*.c) tools/kube/pod_cidrs.c tools/kube/sieve.c
cni_src  := $(wildcard tools/cni/*.c)
kube_src := $(cli_src) $(wildcard tools/kube/*.c)
bench_src := $(wildcard tools/bench/*.c)
unit_src := $(wildcard tests/unit/test_*.c)
helper_src := $(wildcard tests/mount/*.c tests/fault/*.c tests/clients/*.c)
# These know the library.
engine_src := $(wildcard tests/engine/*.c)
# One program: the stand-in for a Kubernetes API server.
apiserver_src := $(wildcard tests/kube/*.c)

power_src := $(wildcard tests/power/*.c)
damage_src := $(wildcard tests/damage/*.c)

obj = $(patsubst %.c,$(B)/%.o,$(1))
fuzzers  := $(patsubst tests/%.c,$(B)/tests/%,$(wildcard tests/fuzz/fuzz_*.c))
cni_parts := $(call obj,$(filter-out %/main.c,$(cni_src)))
kube_parts := $(call obj,$(filter-out %/main.c,$(kube_src)))
ctl_parts := $(call obj,$(filter-out %/main.c,$(ctl_src)))
lib      := $(B)/libipam.a
# What a program that uses the library includes.
lib_headers := $(B)/package/ipam.h core/base/cidr.h
programs := $(B)/bin/ipamfs $(B)/bin/ipamctl $(if $(cni_src),$(B)/bin/ipamfs-cni) $(B)/bin/ipamkube $(B)/bin/ipamfs-bench
units_systemd := $(notdir $(wildcard tools/package/systemd/*))
docs     := $(sort $(wildcard docs/*.md docs/*/*.md docs/images/* docs/monitoring/* docs/kubernetes/*))
examples := $(sort $(wildcard docs/examples/*))
units    := $(patsubst tests/unit/%.c,$(B)/tests/%,$(unit_src))
helpers  := $(patsubst tests/%.c,$(B)/tests/%,$(helper_src))
engine_helpers := $(patsubst tests/%.c,$(B)/tests/%,$(engine_src))
apiserver := $(B)/tests/kube/apiserver

# Without these the compiler can't start; `make deps` installs what is missing.
PACKAGES := gcc make pkg-config libc6-dev libfuse3-dev fuse3 libsqlite3-dev libjansson-dev libcurl4-openssl-dev \
	libcap-ng-dev libseccomp-dev libyaml-dev
TEST_PACKAGES := clang stress-ng libclang-rt-14-dev valgrind libcmocka-dev sqlite3 iproute2 iputils-ping attr jq util-linux procps \
	containernetworking-plugins podman containerd runc busybox-static prometheus prometheus-node-exporter \
	chromium libxml2-utils etcd-server etcd-client openssl spin debhelper dpkg-dev build-essential lintian mandoc systemd \
	libmicrohttpd-dev libgnutls28-dev curl python3-yaml rsync rust-coreutils nginx

.PHONY: all run stop test coverage test-sanitizers test-kube test-etcd test-debian13 lint units helpers fuzz fuzzers bench install uninstall deb clean help deps deps-test format FORCE
# For scripts that compile by themselves.
print-%: ; $(info $($*))@:
.DEFAULT_GOAL := all

all: $(lib) $(programs) ## build everything into build/ (the default)

help: ## this list
	@sed -n 's/^\([a-z0-9-]*\):.*## /  make \1\t/p' $(firstword $(MAKEFILE_LIST)) | expand -t 20

deps: ; @sh tools/deps.sh $(PACKAGES)
deps-test: ; @sh tools/deps.sh $(PACKAGES) $(TEST_PACKAGES)

run: deps ## install what's missing, build, mount a demo cluster and show the main job
	@$(MAKE) -s all
	@sh tools/demo.sh start

stop: ## end what `make run` started
	@sh tools/demo.sh stop

test: deps-test ## install what's missing, build and run every test
	@bash tests/run.sh

test-sanitizers: deps-test ## run many of the tests again under ASan, UBSan, TSan and valgrind, build with clang, and fuzz
	@bash tests/run.sh --sanitizers

test-kube: deps-test ## run the tests with a real kube-apiserver (built once, ten minutes; kept in ~/.cache/ipamfs/kube)
	@bash tests/kube-real/build.sh
	@bash tests/run.sh kube-real/

test-etcd: deps-test ## run the tests with many machines against Debian 13's etcd (fetched once; kept in ~/.cache/ipamfs/trixie-etcd)
	@bash tools/deps.sh debootstrap
	@bash tests/debian13/etcd.sh

test-debian13: deps-test ## build, test and package in a Debian 13 (fetched once; kept in ~/.cache/ipamfs/trixie-root)
	@sh tools/deps.sh debootstrap
	@bash tests/debian13/package.sh

coverage: deps-test ## say what share of the lines the unit tests run, by directory (V=-v: of each source, too)
	@$(MAKE) -s B=build/coverage FLAVOUR=coverage all units
	@B=build/coverage bash tests/coverage.sh $(V)

lint: all units helpers $(B)/package/libipam.a ## look at the structure, and at what shellcheck, cppcheck, clang-tidy and codespell find
	@sh tools/deps.sh shellcheck cppcheck clang-tidy codespell
	@B=$(B) bash tests/lint.sh

bench: deps-test ## measure against the disk, tmpfs, a bare FUSE filesystem and bare SQLite
	@$(MAKE) --no-print-directory all
	@bash tools/bench/run.sh

fuzz: deps-test ## feed the parsers and the library mutated input, for SECONDS=60 in all
	@bash tests/fuzz/run.sh $(or $(SECONDS),60)

fuzzers: $(fuzzers)
units: $(units) ## build the unit tests
helpers: $(helpers) $(engine_helpers) $(apiserver) $(if $(power_src),$(B)/tests/power/cut) $(B)/tests/damage/damage $(B)/tests/fault/disk.so $(B)/tests/fault/clock.so $(B)/tests/fault/taken.so $(B)/tests/soak/soak

$(B)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(ALL_CFLAGS) -c -o $@ $<

# Rooms have files of the same name: appended (q), as replacing (r) goes by the name alone.
$(lib): $(call obj,$(core_src))
	@mkdir -p $(@D)
	@rm -f $@
	$(AR) qcs $@ $^

$(B)/bin/ipamfs: $(call obj,$(fs_src)) $(lib)
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) $(LDFLAGS) -o $@ $^ $(LDLIBS_fuse) $(LDLIBS_fs) $(LDLIBS_core)

$(B)/bin/ipamctl: $(call obj,$(ctl_src)) $(lib)
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) $(LDFLAGS) -o $@ $^ $(LDLIBS_core)

# Static: it is copied into the CNI directories of hosts, started for every pod, and half of a short life is dynamic linking.
$(B)/bin/ipamfs-cni: $(call obj,$(cni_src)) $(lib)
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) $(LDFLAGS) $(if $(FLAVOUR),,-static) -o $@ $^ -ljansson

$(B)/bin/ipamkube: $(call obj,$(kube_src)) $(lib)
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) $(LDFLAGS) -o $@ $^ -lyaml -ljansson -lcurl -lpthread

$(B)/bin/ipamfs-bench: $(call obj,$(bench_src)) $(lib)
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) $(LDFLAGS) -o $@ $^ $(LDLIBS_fuse) $(LDLIBS_core)

# Of ipamctl what the tests call.
$(B)/tests/test_%: $(B)/tests/unit/test_%.o $(B)/tests/unit/fixture.o $(cni_parts) $(B)/tools/ipamctl/when.o $(lib)
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) $(LDFLAGS) -o $@ $^ -lcmocka $(LDLIBS_core)

$(B)/tests/test_kube $(B)/tests/test_kube_config $(B)/tests/test_kube_sieve: $(B)/tests/test_%: $(B)/tests/unit/test_%.o $(kube_parts) $(lib)
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) $(LDFLAGS) -o $@ $^ -lcmocka -lyaml -ljansson -lcurl -lpthread

$(B)/tests/test_rendition: $(B)/tests/unit/test_rendition.o $(addprefix $(B)/fs/,tree/rendition.o base/spool.o base/buffer.o base/log.o) $(lib)
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) $(LDFLAGS) -o $@ $^ -lcmocka $(LDLIBS_core)

# Machines that share an etcd which is in the test, as time is: the linker puts the test's clocks in the place of the machine's.
shared_units := $(filter $(B)/tests/test_shared%,$(units))
shared_parts := $(call obj,$(addprefix tests/unit/,story.c fake_etcd.c fake_keys.c fake_trace.c by_hand.c fixture.c))
$(shared_units): $(B)/tests/test_%: $(B)/tests/unit/test_%.o $(shared_parts) $(lib)
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) $(LDFLAGS) -Wl,--wrap=clock_gettime,--wrap=time,--wrap=nanosleep,--wrap=pthread_cond_timedwait -o $@ $^ \
		-lcmocka $(LDLIBS_core)

$(B)/tests/fault/calls: LDLIBS += -lseccomp
$(helpers): $(B)/tests/%: $(B)/tests/%.o
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) $(LDFLAGS) -o $@ $^ -lpthread $(LDLIBS)

# With clang, FLAVOUR=fuzz: see tests/fuzz/run.sh. Of the programs' parts each takes what it calls.
$(B)/parts.a: $(call obj,$(filter-out %/main.c,$(ctl_src) $(cni_src)) fs/base/foreign.c fs/control/import_parse.c fs/base/buffer.c tools/kube/node.c)
	@rm -f $@
	$(AR) qcs $@ $^

$(fuzzers): $(B)/tests/%: $(B)/tests/%.o $(B)/parts.a $(lib)
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) -fsanitize=fuzzer $(LDFLAGS) -o $@ $^ $(LDLIBS_core)

$(B)/tests/soak/soak: $(call obj,$(wildcard tests/soak/*.c))
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) $(LDFLAGS) -o $@ $^ -lpthread

$(engine_helpers): $(B)/tests/%: $(B)/tests/%.o $(lib)
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) $(LDFLAGS) -o $@ $^ $(LDLIBS_core)

$(apiserver): $(call obj,$(apiserver_src))
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) $(LDFLAGS) -o $@ $^ -lmicrohttpd -lgnutls -ljansson -lpthread

# Not of any flavour: it goes into the plain daemon.
$(B)/tests/fault/%.so: tests/fault/preload/%.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(WARN) -O2 -fPIC -shared -o $@ $< -ldl

# The check of ipamctl is a judge of this one.
$(B)/tests/power/cut: $(call obj,$(power_src)) $(ctl_parts) $(lib)
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) $(LDFLAGS) -o $@ $^ $(LDLIBS_core)

$(B)/tests/damage/damage: $(call obj,$(damage_src)) $(lib)
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) $(LDFLAGS) -o $@ $^ $(LDLIBS_core)

# What is installed: mode, source, where to. make uninstall removes just these.
define INSTALLED
755 $(B)/bin/ipamfs $(BINDIR)/ipamfs
755 $(B)/bin/ipamctl $(BINDIR)/ipamctl
755 $(B)/bin/ipamkube $(BINDIR)/ipamkube
$(foreach dir,$(CNI_DIRS),755 $(B)/bin/ipamfs-cni $(dir)/ipamfs
)$(foreach header,$(lib_headers),644 $(header) $(PREFIX)/include/ipam/$(notdir $(header))
)644 $(B)/package/libipam.a $(LIBDIR)/libipam.a
644 $(B)/package/libipam.pc $(LIBDIR)/pkgconfig/libipam.pc
$(foreach man,$(wildcard docs/*.[1-9]),644 $(man) $(PREFIX)/share/man/man$(subst .,,$(suffix $(man)))/$(notdir $(man))
)$(foreach unit,$(units_systemd),644 $(B)/package/$(unit) $(UNITDIR)/$(unit)
)644 tools/package/tmpfiles.conf $(PREFIX)/lib/tmpfiles.d/ipamfs.conf
$(if $(wildcard docs/README.md),,644 README.md $(DOCDIR)/README.md)
$(foreach doc,$(docs),644 $(doc) $(DOCDIR)/$(patsubst docs/%,%,$(doc))
)$(foreach it,$(examples),$(if $(filter %.sh,$(it)),755,644) $(it) $(DOCDIR)/examples/$(notdir $(it))
)$(if $(wildcard tools/ipamctl/completion/ipamctl.bash),644 tools/ipamctl/completion/ipamctl.bash $(PREFIX)/share/bash-completion/completions/ipamctl)
$(if $(wildcard tools/ipamctl/completion/_ipamctl),644 tools/ipamctl/completion/_ipamctl $(ZSHDIR)/_ipamctl)
644 tools/kube/completion/ipamkube.bash $(PREFIX)/share/bash-completion/completions/ipamkube
644 tools/kube/completion/_ipamkube $(ZSHDIR)/_ipamkube
endef
export INSTALLED

# Where it is installed, both public headers lie in one directory.
$(B)/package/ipam.h: core/ipam.h FORCE
	@mkdir -p $(@D)
	@sed 's|"base/cidr.h"|"cidr.h"|' $< >$@

$(B)/package/libipam.a: $(call obj,$(core_src)) $(lib_headers) tools/package/library.sh
	@mkdir -p $(@D)
	@NM=$(NM) LD=$(LD) OBJCOPY=$(OBJCOPY) AR=$(AR) sh tools/package/library.sh $@ $(lib_headers) -- $(call obj,$(core_src))

$(B)/package/%: tools/package/%.in FORCE
	@mkdir -p $(@D)
	@sed 's|@PREFIX@|$(PREFIX)|; s|@LIBDIR@|$(LIBDIR)|; s|@VERSION@|$(VERSION)|' $< >$@

$(B)/package/%: tools/package/systemd/% FORCE
	@mkdir -p $(@D)
	@sed 's|@BINDIR@|$(BINDIR)|' $< >$@

install: all $(lib_headers) $(B)/package/libipam.a $(B)/package/libipam.pc $(units_systemd:%=$(B)/package/%) ## install below $(DESTDIR)$(PREFIX)
	@echo "$$INSTALLED" | while read -r mode from to; do \
		[ -z "$$to" ] || install -D -m "$$mode" "$$from" "$(DESTDIR)$$to" || exit 1; done

uninstall: ## remove what make install put there
	@echo "$$INSTALLED" | while read -r mode from to; do [ -z "$$to" ] || rm -f "$(DESTDIR)$$to"; done
	@rmdir --ignore-fail-on-non-empty $(DESTDIR)$(PREFIX)/include/ipam 2>/dev/null || true
	@find $(DESTDIR)$(DOCDIR) -depth -type d -empty -delete 2>/dev/null || true

deb: ## build Debian packages into build/deb/
	@sh tools/deps.sh build-essential debhelper dpkg-dev $(PACKAGES)
	@sh tools/package/build.sh $(VERSION) $(abspath $(B))/deb

format: ## lay the sources out by .clang-format
	clang-format -i core/*.[ch] core/*/*.[ch] fs/*.h fs/*/*.[ch] tools/*/*.[ch] tools/*/*/*.[ch] tests/*/*.[ch]

clean: ## remove build/
	rm -rf $(B)

-include $(shell find $(B) -name deb -prune -o -name '*.d' -type f -print 2>/dev/null)
