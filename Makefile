# Trilog: one Makefile. Each target first installs what it needs (tools/need, Debian packages).
#   make        build trilogd                             make demo   the main job, on real input
#   make libtrilog  the client library, its examples
#   make unit   unit tests (seconds)                      make test   all that belongs to a change
#   make check  sanitizers, static analysis, format       make sim    simulation (SEED=… replays one)
#   make chaos  each fault once over three sites          make bench  side by side with Kafka
#               (FAULT=… SEED=… drills one again)    make bounds memory, backlogs, 10,000 of this and that
#   make chaos-failover  applications when their site dies (FAULT=… SEED=…)
#   make demo-failover   the same to look at, in a minute
#   make valgrind-client  unit tests of the client library under valgrind (minutes; ONLY='SUITE/*')
#   make fuzz   fuzz targets for longer                   make chaos-programs  the tools alone
#   make fmt    settle spacing                            make bench-groups  commits, a large group
#   make install (PREFIX, DESTDIR)
SHELL := /bin/bash
.DEFAULT_GOAL := all
MAKEFLAGS += --no-builtin-rules

# All cores, unless one asks otherwise.
ifeq ($(MAKELEVEL)$(filter -j%,$(MAKEFLAGS)),0)
MAKEFLAGS += --jobs=$(shell nproc)
endif

PREFIX ?= /usr/local
# A tree of objects per variant: release, asan, tsan, fuzz. asan and fuzz are built by clang, which
# warns of other things than gcc.
VARIANT ?= release
# BREAK=NAME breaks one rule on purpose (see the simulation), in a tree of its own.
B := build/$(if $(BREAK),break-$(BREAK),$(VARIANT))
CC := $(if $(filter default undefined,$(origin CC)),$(if $(filter asan fuzz,$(VARIANT)),clang,gcc),$(CC))

CFLAGS_release := -O2
CFLAGS_asan := -O1 -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
CFLAGS_tsan := -O1 -fsanitize=thread -fno-omit-frame-pointer
CFLAGS_fuzz := -O1 -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all
CFLAGS := -std=c17 -D_GNU_SOURCE -g $(CFLAGS_$(VARIANT)) -Wall -Wextra -Wshadow -Wconversion \
          -Wstrict-prototypes -Wmissing-prototypes -Werror -MMD -MP -pthread $(BREAK:%=-DTRILOG_BREAK_%)
# Sanitizers' own code between ours makes gcc see cuts and gaps that are not there.
ifneq ($(VARIANT),release)
CFLAGS += $(if $(findstring clang,$(CC)),,-Wno-format-truncation -Wno-maybe-uninitialized)
endif
LDFLAGS := -pthread $(filter -fsanitize=%,$(subst fuzzer-no-link,fuzzer,$(CFLAGS_$(VARIANT))))
# libraft stands outside the sanitizers' view; everything else is a plain shared library.
LDLIBS := -lraft -luv -lyaml -lz -llz4 -lzstd -lsnappy -lmicrohttpd -ljansson -lm

# Arrows: what each folder may include. A wrong arrow does not compile.
base_needs :=
log_needs := base
replication_needs := base log
protocol_needs := base
conf_needs := base
cluster_needs := base log replication protocol conf dc-router
dc-router_needs := base protocol conf
cli_needs := base
FOLDERS := base log replication protocol conf cluster dc-router
CLI_SOURCES := $(wildcard cli/*.c cli/*/*.c)
uses_protocol = $(filter protocol,$(1) $($(1)_needs))
includes = -I$(1) $(foreach f,$(1) $($(1)_needs),-I$(f)/include) $(if $(uses_protocol),-Ibuild/generated)
TEST_INCLUDES := -Itest $(foreach f,$(FOLDERS),-I$(f)/include) -Ibuild/generated

# Kafka's messages: C made of protocol/schema/ (describe.* are for tests only).
SCHEMA := $(sort $(wildcard protocol/schema/*.txt))
GENERATED_C := $(SCHEMA:protocol/schema/%.txt=build/generated/protocol/%.c) build/generated/protocol/apis.c
GENERATED_H := build/generated/protocol/messages.h
DESCRIBE_C := build/generated/protocol/describe.c

# libtrilog is a library of its own: nodes and routers have none of it.
sources = $(filter-out $(1)/main.c $(1)/router/main.c dc-router/client/%,$(wildcard $(1)/*.c $(1)/*/*.c))
objects = $(patsubst %.c,$(B)/%.o,$(call sources,$(1)))
# Dependents before what they depend on, as the linker wants it.
LIBS := $(foreach f,cluster dc-router conf protocol replication log base,$(B)/lib$(f).a)
# The libraries of a folder and of what it stands on.
libs_of = $(filter $(foreach f,$(1) $($(1)_needs),$(B)/lib$(f).a),$(LIBS))

.PHONY: all libtrilog demo demo-failover clients-routed clients-routed-short chaos chaos-short chaos-failover chaos-failover-short chaos-broken chaos-broken-short chaos-programs chaos-tests unit \
        test check sim sim-full sim-broken fuzz bench bench-groups bounds bounds-short fmt install clean clients raft-is-sound \
        unit-asan unit-tsan valgrind-client fuzz-short fuzz-binaries programs check-format check-tidy
all: build/.need-build $(B)/trilogd $(B)/trilog-router $(if $(CLI_SOURCES),$(B)/trilog $(B)/pages/.made)

build/.need-%: tools/need
	@mkdir -p build
	tools/need $*
	@touch $@

raft-is-sound: | build/.need-build
	@pkg-config --atleast-version=0.22.1 raft || { \
	    echo "libraft $$(pkg-config --modversion raft) is refused: 0.15 loses committed entries (Raft," \
	         "figure 8) and acknowledges nothing under a steady stream; 0.22.1 is needed." >&2; exit 1; }

# ---- the folders ------------------------------------------------------------------------------
define folder_rules
$(B)/$(1)/%.o: $(1)/%.c | raft-is-sound $(if $(uses_protocol),$(GENERATED_H))
	@mkdir -p $$(dir $$@)
	$$(CC) $$(CFLAGS) $$(EXTRA_CFLAGS) $(call includes,$(1)) -c $$< -o $$@
$(B)/lib$(1).a: $(call objects,$(1)) $(if $(filter protocol,$(1)),$(GENERATED_C:build/%.c=$(B)/%.o))
	@rm -f $$@
	ar rcs $$@ $$^
endef
$(foreach f,$(FOLDERS),$(eval $(call folder_rules,$(f))))

$(GENERATED_C) $(DESCRIBE_C) $(GENERATED_H) &: $(SCHEMA) $(wildcard protocol/*.py) | build/.need-build
	python3 -B protocol/generate.py build/generated/protocol $(SCHEMA)
$(B)/generated/%.o: build/generated/%.c | build/.need-build
	@mkdir -p $(dir $@)
	$(CC) $(CFLAGS) $(call includes,protocol) -c $< -o $@

# libraft's structs are unions shared with its old interface.
$(B)/replication/group.o $(B)/replication/group_%.o: EXTRA_CFLAGS := -fno-strict-aliasing

$(B)/trilogd: $(B)/cluster/main.o $(LIBS)
	$(CC) $(LDFLAGS) $(filter %.o,$^) $(LIBS) $(LDLIBS) -o $@

# The address that a site's applications know.
$(B)/trilog-router: $(B)/dc-router/router/main.o $(call libs_of,dc-router)
	$(CC) $(LDFLAGS) $(filter %.o,$^) $(call libs_of,dc-router) -luv -lyaml -lmicrohttpd -ljansson -lm -o $@

# The operator's command: it meets the cluster over the network only.
CLI_OBJECTS := $(CLI_SOURCES:%.c=$(B)/%.o)
CLI_INCLUDES := $(call includes,cli) -Idc-router/client/include
$(B)/cli/%.o: cli/%.c | build/.need-build
	@mkdir -p $(dir $@)
	$(CC) $(CFLAGS) $(CLI_INCLUDES) -c $< -o $@
CLI_LIBS = -lcurl -ljansson $(CLIENT_LIBS)
$(B)/trilog: $(CLI_OBJECTS) $(B)/libtrilog.a $(B)/libbase.a
	$(CC) $(LDFLAGS) $^ $(CLI_LIBS) -o $@

# Its manual pages and completions, out of its own tables.
$(B)/pages/.made: $(B)/trilog
	@rm -rf $(@D) && mkdir -p $(@D)
	TRILOG_CONFIG=/dev/null $(B)/trilog pages write $(@D)
	@touch $@

# libtrilog, for applications: nothing of it is seen but its public header.
CLIENT_LIBS := -lrdkafka -lyaml -luv
CLIENT_OBJECTS := $(patsubst %.c,$(B)/pic/%.o,$(wildcard dc-router/client/*.c))
PIC_COMPILE = $(CC) $(CFLAGS) -fPIC -fvisibility=hidden $(call includes,dc-router) -Idc-router/client -Idc-router/client/include
$(B)/pic/%.o: %.c | build/.need-client $(GENERATED_H)
	@mkdir -p $(dir $@)
	$(PIC_COMPILE) -c $< -o $@
$(B)/pic/generated/%.o: build/generated/%.c | build/.need-client
	@mkdir -p $(dir $@)
	$(PIC_COMPILE) -c $< -o $@

# The parts of other folders that it stands on are in it, and hidden too.
PIC_OBJECTS := $(patsubst %.c,$(B)/pic/%.o,$(filter-out base/http%,$(call sources,base)) $(call sources,conf) \
    $(call sources,protocol) $(wildcard dc-router/policy_*.c dc-router/verdict_told.c)) $(GENERATED_C:build/%.c=$(B)/pic/%.o)
$(B)/pic/parts.a: $(PIC_OBJECTS)
	@rm -f $@
	ar rcs $@ $^
$(B)/libtrilog.so.0: $(CLIENT_OBJECTS) $(B)/pic/parts.a
	$(CC) $(LDFLAGS) -shared -Wl,-soname,libtrilog.so.0 $^ $(CLIENT_LIBS) -o $@
$(B)/libtrilog.a: $(CLIENT_OBJECTS) $(B)/pic/parts.a
	ld -r $^ -o $(B)/pic/libtrilog.o
	objcopy --localize-hidden $(B)/pic/libtrilog.o
	@rm -f $@
	ar rcs $@ $(B)/pic/libtrilog.o
# Its examples, built as an application would be: each way of linking once.
$(B)/examples/send_lines: dc-router/client/examples/send_lines.c $(B)/libtrilog.a
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(LDFLAGS) -Idc-router/client/include $^ $(CLIENT_LIBS) -o $@
$(B)/examples/take_lines: dc-router/client/examples/take_lines.c $(B)/libtrilog.so.0
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(LDFLAGS) -Idc-router/client/include $^ -Wl,-rpath,$(abspath $(B)) -o $@
build/tidy/cli/%.ok build/tidy/dc-router/client/%.ok: CHAOS_CFLAGS := -Idc-router/client/include
libtrilog: build/.need-client $(B)/libtrilog.so.0 $(B)/libtrilog.a $(B)/examples/send_lines $(B)/examples/take_lines

# ---- tests ------------------------------------------------------------------------------------
FAKES := $(patsubst %.c,$(B)/%.o,$(wildcard test/fake/*.c))
$(B)/test/%.o: test/%.c | build/.need-test build/.need-chaos $(GENERATED_H)
	@mkdir -p $(dir $@)
	$(CC) $(CFLAGS) $(TEST_INCLUDES) -c $< -o $@

# Connections and paths of requests are no one's public header.
$(B)/test/cluster/%.o: TEST_INCLUDES += -Icluster
# The simulation opens a node's disk as the daemon does.
$(B)/test/sim/%.o: TEST_INCLUDES += -Icluster

define unit_rules
$(B)/test/$(1)_tests: $(patsubst %.c,$(B)/%.o,$(call tests_of,$(1))) $(FAKES) $(call libs_of,$(1)) \
    $(if $(filter protocol,$(1)),$(DESCRIBE_C:build/%.c=$(B)/%.o)) $(filter %.o,$(TEST_RUNNER))
	$$(CC) $$(LDFLAGS) $$(filter %.o,$$^) $(call libs_of,$(1)) $(LDLIBS) $(filter -l%,$(TEST_RUNNER)) -o $$@
endef
tests_of = $(wildcard test/$(1)/*.c)
TEST_RUNNER := -lcriterion
# Without threads there is nothing for the thread sanitizer to see: it gets the files that start
# some, and all of the client library's. Criterion's sandbox does not run under it: the tests get a
# runner of our own.
ifeq ($(VARIANT),tsan)
tests_of = $(shell grep -lE 'pthread_create|work_pool_create|shard_create|peer_link_station' test/$(1)/*.c)
TEST_INCLUDES += -Itest/plain
TEST_RUNNER := $(B)/test/plain/runner.o
endif
ifeq ($(VARIANT),asan)
TEST_RUNNER += $(B)/test/plain/runner_leaks.o
endif
UNIT_FOLDERS := $(foreach f,$(FOLDERS),$(if $(filter %_test.c,$(call tests_of,$(f))),$(f)))
$(foreach f,$(UNIT_FOLDERS),$(eval $(call unit_rules,$(f))))

# The programs of chaos/ know nothing of the node: a test sees its own program's headers only.
define chaos_unit_rules
$(B)/test/chaos/$(1)/%.o: TEST_INCLUDES := -Ichaos/$(1)
$(B)/test/chaos_$(1)_tests: $(patsubst %.c,$(B)/%.o,$(wildcard test/chaos/$(1)/*.c)) $(call chaos_parts,$(1)) \
    $(filter %.o,$(TEST_RUNNER))
	$$(CC) $$(LDFLAGS) $$^ $(CHAOS_LIBS_$(1)) $(filter -l%,$(TEST_RUNNER)) -o $$@
endef
CHAOS_PROGRAMS := $(sort $(foreach f,$(wildcard chaos/*/*.c),$(if $(filter $(notdir $(patsubst %/,%,$(dir $f))),$(basename $(notdir $f))),$(basename $(notdir $f)))))
chaos_objects = $(patsubst %.c,$(B)/%.o,$(wildcard chaos/$(1)/*.c))
# A program's objects but the one with its main().
chaos_parts = $(filter-out $(B)/chaos/$(1)/$(1).o,$(chaos_objects))
CHAOS_LIBS_demo := -lrdkafka
CHAOS_LIBS_ledger := -lrdkafka -lyaml -luv -lm
CHAOS_LIBS_wand := -lnetfilter_queue -lnfnetlink -lmnl -lm
CHAOS_LIBS_faultfs := -lfuse3
CHAOS_LIBS_check := -lm
CHAOS_TESTED := $(if $(filter tsan,$(VARIANT)),,$(foreach p,$(CHAOS_PROGRAMS),$(if $(wildcard test/chaos/$(p)/*_test.c),$(p))))
$(foreach p,$(CHAOS_TESTED),$(eval $(call chaos_unit_rules,$(p))))

# The command knows nothing of the node either.
$(B)/test/cli/%.o: TEST_INCLUDES := -Icli -Idc-router/client/include
$(B)/test/cli_tests: $(patsubst %.c,$(B)/%.o,$(wildcard test/cli/*.c)) $(filter-out $(B)/cli/main.o,$(CLI_OBJECTS)) \
    $(B)/libtrilog.a $(B)/libbase.a $(filter %.o,$(TEST_RUNNER))
	$(CC) $(LDFLAGS) $^ $(CLI_LIBS) $(filter -l%,$(TEST_RUNNER)) -o $@

# The inside of the router is no one's public header.
$(B)/test/dc-router/%.o $(B)/test/fuzz/router_%.o: TEST_INCLUDES += -Idc-router
$(B)/test/dc-router/client/%.o: TEST_INCLUDES += -Idc-router/client -Idc-router/client/include
# A test fails each allocation of the library in turn; another says what fate a message has.
CLIENT_TEST_WRAPS := -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=rd_kafka_message_status
CLIENT_TESTS := $(wildcard test/dc-router/client/*.c)
# The thread sanitizer knows no lock of librdkafka's: there it gets locks that are known.
CLIENT_TEST_PARTS := $(if $(filter tsan,$(VARIANT)),$(B)/test/plain/c11_threads.o)
$(B)/test/client_tests: $(CLIENT_TESTS:%.c=$(B)/%.o) $(CLIENT_OBJECTS) $(CLIENT_TEST_PARTS) $(FAKES) $(call libs_of,dc-router) $(filter %.o,$(TEST_RUNNER)) | build/.need-client
	$(CC) $(LDFLAGS) $(CLIENT_TEST_WRAPS) $^ $(CLIENT_LIBS) $(filter -l%,$(TEST_RUNNER)) -o $@

UNIT_BINARIES := $(foreach f,$(UNIT_FOLDERS) $(CHAOS_TESTED:%=chaos_%) client $(if $(filter tsan,$(VARIANT)),,cli),$(B)/test/$(f)_tests)
unit: $(UNIT_BINARIES)
	tools/run-unit $(UNIT_BINARIES)

clients: all libtrilog
	tools/clients
	test/client/run

# The same clients through a router; the short form is one of each kind, and faults under load.
clients-routed: all
	tools/clients
	test/client/run --routed
clients-routed-short: all
	tools/clients
	test/client/run --routed -k "kcat or group_test or consumer_test or producer_test or fault_test or kafkajs or kafka_python or the_cluster_is_described"

# The client library under valgrind: minutes, and in no suite, since the address sanitizer sees nearly
# all of it in `make test` and `make check`. ONLY='client_consumer_place/*' runs a few tests.
valgrind-client: build/.need-valgrind $(B)/test/client_tests
	tools/run-valgrind $(B)/test/client_tests $(if $(ONLY),--filter '$(ONLY)')

# Sanitizers make tests several times slower.
unit-asan: build/.need-check
unit-asan unit-tsan: unit-%:
	TSAN_OPTIONS=suppressions=test/plain/tsan.supp UNIT_TIMEOUT_SECONDS=300 $(MAKE) VARIANT=$* $(if $(filter asan,$*),all) unit

# ---- simulation: SEED=… or CASE=… replays one, BREAK=… runs a build with one rule broken ------------
$(B)/test/sim/sim: $(patsubst %.c,$(B)/%.o,$(wildcard test/sim/*.c)) $(FAKES) $(LIBS)
	$(CC) $(LDFLAGS) $(filter %.o,$^) $(LIBS) $(LDLIBS) -o $@
sim sim-full: $(B)/test/sim/sim $(B)/check
	tools/run-sim $(if $(filter sim-full,$@),--full) $(if $(SEED),--seed $(SEED)) $(if $(CASE),--case $(CASE)) $^
sim-broken: build/.need-test
	tools/run-broken "$(MAKE)"

# ---- fuzzing: test/fuzz/NAME_fuzz.c, from test/fuzz/corpus/NAME/ --------------------------------
FUZZ_SECONDS ?= 60
FUZZ_NAMES := $(patsubst test/fuzz/%.c,%,$(wildcard test/fuzz/*_fuzz.c))
FUZZ_BINARIES := $(FUZZ_NAMES:%=build/fuzz/test/fuzz/%)
# All targets together about a minute.
FUZZ_SHORT_SECONDS := $(shell echo $$((60 / ($(words $(FUZZ_NAMES)) + 1) + 1)))

build/fuzz/test/fuzz/%_fuzz: build/fuzz/test/fuzz/%_fuzz.o $(FAKES) $(LIBS)
	$(CC) $(LDFLAGS) $(filter %.o,$^) $(LIBS) $(LDLIBS) -o $@
# A program of chaos/ is fuzzed with all of it but its main().
build/fuzz/test/fuzz/chaos_check_fuzz: $(call chaos_parts,check)
$(B)/test/fuzz/chaos_check_fuzz.o: TEST_INCLUDES := -Ichaos/check
fuzz-binaries: $(FUZZ_BINARIES)
fuzz fuzz-short: build/.need-fuzz
	$(MAKE) VARIANT=fuzz fuzz-binaries
	tools/run-fuzz $(if $(filter fuzz-short,$@),$(FUZZ_SHORT_SECONDS),$(FUZZ_SECONDS)) $(FUZZ_BINARIES)

# ---- all that belongs to a change ---------------------------------------------------------------
# Real processes first and foremost; beside them what only computes.
PROCESS_SUITES := $(if $(wildcard test/client/run),clients clients-routed-short) chaos-tests chaos-short chaos-failover-short chaos-broken-short bounds-short
COMPUTE_SUITES := unit sim sim-broken $(if $(FUZZ_NAMES),fuzz-short)
COMPILE_SUITES := unit-asan unit-tsan check-format
CHECK_SUITES := $(COMPILE_SUITES) check-tidy
test: programs
	tools/run-suites $(foreach s,$(PROCESS_SUITES),$(s) "$(MAKE) $(s)") \
	    --beside $(foreach s,$(COMPUTE_SUITES),$(s) "$(MAKE) $(s)") \
	    --beside $(foreach s,$(COMPILE_SUITES),$(s) "$(MAKE) $(s)")
# All that the suites need of the release variant, so that none builds under another's feet.
programs: all libtrilog chaos-programs $(UNIT_BINARIES) $(B)/test/sim/sim $(B)/bench/load
check: build/.need-check
	tools/run-suites $(foreach s,$(CHECK_SUITES),$(s) "$(MAKE) $(s)")

check-format: build/.need-check
	tools/check-format
# One stamp a file: only what changed is analysed again.
TIDY := $(foreach f,$(FOLDERS) cli chaos,$(patsubst %.c,build/tidy/%.ok,$(wildcard $(f)/*.c $(f)/*/*.c)))
TIDY_HEADERS := $(wildcard $(foreach f,$(FOLDERS) cli chaos,$(f)/*.h $(f)/*/*.h $(f)/include/*/*.h))
build/tidy/%.ok: %.c .clang-tidy $(TIDY_HEADERS) | build/.need-check $(GENERATED_H)
	@mkdir -p $(dir $@) && rm -f $@
	@clang-tidy --quiet $< -- $(filter-out -M% -g,$(CFLAGS)) $(CHAOS_CFLAGS) $(call includes,$(firstword $(subst /, ,$<))) \
	    2>/dev/null && touch $@
check-tidy:
	@$(MAKE) --keep-going --silent $(TIDY); \
	passed=$$(ls $(TIDY) 2>/dev/null | wc -l); failed=$$(($(words $(TIDY)) - passed)); \
	echo "$$passed passed, $$failed failed"; [ $$failed = 0 ]

# ---- the main job, and how fast: clients of the cluster, which know it over the network only -----
$(B)/chaos/%.o: chaos/%.c | build/.need-chaos
	@mkdir -p $(dir $@)
	$(CC) $(CFLAGS) $(CHAOS_CFLAGS) -c $< -o $@
$(B)/chaos/faultfs/%.o $(B)/test/chaos/faultfs/%.o build/tidy/chaos/faultfs/%.ok: CHAOS_CFLAGS := -D_FILE_OFFSET_BITS=64 -I/usr/include/fuse3
define chaos_program_rules
$(B)/$(1): $(call chaos_objects,$(1))
	$$(CC) $$(LDFLAGS) $$^ $(CHAOS_LIBS_$(1)) -o $$@
endef
$(foreach p,$(CHAOS_PROGRAMS),$(eval $(call chaos_program_rules,$(p))))
# The ledger's producers and members may be libtrilog's: by its public header, as an application's.
$(B)/ledger $(B)/test/chaos_ledger_tests: $(B)/libtrilog.a
$(B)/chaos/ledger/%.o build/tidy/chaos/ledger/%.ok: CHAOS_CFLAGS := -Idc-router/client/include
demo: build/.need-chaos $(B)/trilogd $(B)/demo
	@$(B)/demo $(B)/trilogd "$(FILE)"
chaos-programs: build/.need-chaos $(B)/trilogd $(B)/trilog-router $(CHAOS_PROGRAMS:%=$(B)/%)
# Faults over a load (chaos/drill/README.md). Without root, those that need none.
chaos chaos-short: chaos-programs
	@PYTHONPATH=chaos python3 -B -m drill --programs $(B) $(if $(FAULT),--fault $(FAULT)) \
	    $(if $(SEED),--seed $(SEED)) $(if $(filter chaos-short,$@),--short)
# Applications of three sites, by router, by libtrilog and directly, when a site dies (chaos/failover/README.md).
chaos-failover chaos-failover-short: chaos-programs
	$(if $(filter %-short,$@),,@tools/need languages && tools/clients)
	@PYTHONPATH=chaos python3 -B -m failover --programs $(B) $(if $(FAULT),--fault $(FAULT)) \
	    $(if $(SEED),--seed $(SEED)) $(if $(ROUNDS),--rounds $(ROUNDS)) $(if $(filter %-short,$@),--short)
# Applications in three sites, on libtrilog and on stock clients, and a site dies: under two minutes.
demo-failover: chaos-programs
	@PYTHONPATH=chaos python3 -B -m failover.demo --programs $(B)
# Builds with one rule broken, on real processes: each must be found (the short form: one of them).
chaos-broken chaos-broken-short: chaos-programs
	@PYTHONPATH=chaos python3 -B -m drill.broken --make "$(MAKE)" $(if $(filter %-short,$@),--short)
# What needs processes, namespaces and mounts to be tested. FULL=1: also what is slow.
chaos-tests: chaos-programs
	test/chaos/run $(if $(FULL),--full)

$(B)/bench/%.o: bench/%.c | build/.need-chaos
	@mkdir -p $(dir $@)
	$(CC) $(CFLAGS) -c $< -o $@
$(B)/bench/load: $(patsubst %.c,$(B)/%.o,$(wildcard bench/load*.c))
	$(CC) $(LDFLAGS) $^ -lrdkafka -o $@
$(B)/bench/group_load: $(patsubst %.c,$(B)/%.o,$(wildcard bench/groups/*.c))
	$(CC) $(LDFLAGS) $^ -o $@
$(B)/bench/machine: $(B)/bench/machine.o
	$(CC) $(LDFLAGS) $^ -o $@
# ROUNDS=5 SECONDS=10 BENCH_ONLY=trilog|kafka|router (SECONDS is a variable of bash's own).
bench: build/.need-bench $(B)/bench/load $(B)/bench/machine $(B)/trilogd $(B)/trilog-router
	SECONDS_EACH=$(SECONDS) ROUNDS=$(ROUNDS) python3 -B bench/run.py \
	    $(B)/bench/load $(B)/bench/machine $(B)/trilogd $(B)/trilog-router

# Commits of many groups, a large group that one leaves (bench/groups/README.md).
bench-groups: build/.need-bench $(B)/bench/load $(B)/bench/group_load $(B)/bench/machine $(B)/trilogd
	SECONDS_EACH=$(SECONDS) ROUNDS=$(ROUNDS) PYTHONPATH=bench python3 -B -m groups \
	    $(B)/bench/load $(B)/bench/group_load $(B)/bench/machine $(B)/trilogd

# Is each bound held (bench/bounds/README.md)? CASE=NAME for one, SHORT=1 small, ROUNDS=3.
bounds: build/.need-chaos $(B)/bench/load $(B)/trilogd $(B)/trilog-router
	PYTHONPATH=bench python3 -B -m bounds $(B)/bench/load $(B)/trilogd $(B)/trilog-router $(if $(CASE),--case $(CASE)) \
	    $(if $(SHORT),--short) $(if $(ROUNDS),--rounds $(ROUNDS))
bounds-short:
	$(MAKE) bounds SHORT=1

fmt: build/.need-check
	clang-format -i $$(git ls-files '*.c' '*.h')

install: all libtrilog
	install -D -m 644 dc-router/client/include/trilog/trilog.h $(DESTDIR)$(PREFIX)/include/trilog/trilog.h
	install -D -m 644 $(B)/libtrilog.a $(DESTDIR)$(PREFIX)/lib/libtrilog.a
	install -m 755 $(B)/libtrilog.so.0 $(DESTDIR)$(PREFIX)/lib/libtrilog.so.0
	ln -sf libtrilog.so.0 $(DESTDIR)$(PREFIX)/lib/libtrilog.so
	install -d $(DESTDIR)$(PREFIX)/lib/pkgconfig
	sed 's|@PREFIX@|$(PREFIX)|' dc-router/client/trilog.pc.in > $(DESTDIR)$(PREFIX)/lib/pkgconfig/trilog.pc
	install -D -m 755 $(B)/trilogd $(DESTDIR)$(PREFIX)/bin/trilogd
	install -D -m 755 $(B)/trilog-router $(DESTDIR)$(PREFIX)/bin/trilog-router
	$(if $(CLI_SOURCES),install -D -m 755 $(B)/trilog $(DESTDIR)$(PREFIX)/bin/trilog)
	install -D -m 644 $(B)/pages/trilog.bash $(DESTDIR)$(PREFIX)/share/bash-completion/completions/trilog
	install -D -m 644 $(B)/pages/_trilog $(DESTDIR)$(PREFIX)/share/zsh/site-functions/_trilog
	install -d $(DESTDIR)$(PREFIX)/share/man/man1
	install -m 644 $(B)/pages/*.1 $(DESTDIR)$(PREFIX)/share/man/man1
	install -D -m 644 dc-router/client/libtrilog.3 $(DESTDIR)$(PREFIX)/share/man/man3/libtrilog.3
	ln -sf libtrilog.3 $(DESTDIR)$(PREFIX)/share/man/man3/trilog.3
	install -d $(DESTDIR)$(PREFIX)/share/doc/trilog $(DESTDIR)$(PREFIX)/lib/systemd/system
	install -m 644 conf/samples/*.yaml $(DESTDIR)$(PREFIX)/share/doc/trilog
	for unit in trilogd trilog-router; do sed 's|@PREFIX@|$(PREFIX)|' conf/samples/$$unit.service \
	    > $(DESTDIR)$(PREFIX)/lib/systemd/system/$$unit.service || exit 1; done

clean:
	rm -rf build

-include $(shell find $(B) -name '*.d' 2>/dev/null)
