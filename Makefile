# Trilog: one Makefile. Each target first installs what it needs (tools/need, Debian packages).
#   make        build trilogd and the trilog command      make demo   the main job, on real input
#   make unit   unit tests (seconds)                      make test   all that belongs to a change
#   make check  sanitizers, static analysis, format       make sim    simulation (SEED=… replays one)
#   make fuzz   fuzz targets for longer                   make bench  side by side with Kafka
#   make fmt    settle spacing                            make install (PREFIX, DESTDIR)
SHELL := /bin/bash
.DEFAULT_GOAL := all
MAKEFLAGS += --no-builtin-rules

PREFIX ?= /usr/local
CC := $(if $(filter default undefined,$(origin CC)),gcc,$(CC))
VARIANT ?= release
B := build/$(VARIANT)

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
LDLIBS := -lraft -luv -lyaml -lz -llz4 -lm

# Arrows: what each folder may include. A wrong arrow does not compile.
base_needs :=
log_needs := base
replication_needs := base log
protocol_needs := base
conf_needs := base
cluster_needs := base log replication protocol conf
FOLDERS := base log replication protocol conf cluster
uses_protocol = $(filter protocol,$(1) $($(1)_needs))
includes = -I$(1) $(foreach f,$(1) $($(1)_needs),-I$(f)/include) $(if $(uses_protocol),-Ibuild/generated)
TEST_INCLUDES := -Itest $(foreach f,$(FOLDERS),-I$(f)/include) -Ibuild/generated

# Kafka's messages: C made of protocol/schema/ (describe.* are for tests only).
SCHEMA := $(sort $(wildcard protocol/schema/*.txt))
GENERATED_C := $(SCHEMA:protocol/schema/%.txt=build/generated/protocol/%.c) build/generated/protocol/apis.c
GENERATED_H := build/generated/protocol/messages.h
DESCRIBE_C := build/generated/protocol/describe.c

sources = $(filter-out $(1)/main.c,$(wildcard $(1)/*.c $(1)/*/*.c))
objects = $(patsubst %.c,$(B)/%.o,$(call sources,$(1)))
# Dependents before what they depend on, as the linker wants it.
LIBS := $(foreach f,cluster conf protocol replication log base,$(B)/lib$(f).a)

.PHONY: all demo unit test check sim sim-full fuzz bench fmt install clean clients
all: build/.need-build $(B)/trilogd

build/.need-%: tools/need
	@mkdir -p build
	tools/need $*
	@touch $@

# ---- the folders ------------------------------------------------------------------------------
define folder_rules
$(B)/$(1)/%.o: $(1)/%.c | build/.need-build $(if $(uses_protocol),$(GENERATED_H))
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
$(B)/replication/group%.o: EXTRA_CFLAGS := -fno-strict-aliasing

$(B)/trilogd: $(B)/cluster/main.o $(LIBS)
	$(CC) $(LDFLAGS) $(filter %.o,$^) $(LIBS) $(LDLIBS) -o $@

# ---- tests ------------------------------------------------------------------------------------
FAKES := $(patsubst %.c,$(B)/%.o,$(wildcard test/fake/*.c))
$(B)/test/%.o: test/%.c | build/.need-test $(GENERATED_H)
	@mkdir -p $(dir $@)
	$(CC) $(CFLAGS) $(TEST_INCLUDES) -c $< -o $@

# The libraries of a folder and of what it stands on.
libs_of = $(filter $(foreach f,$(1) $($(1)_needs),$(B)/lib$(f).a),$(LIBS))
define unit_rules
$(B)/test/$(1)_tests: $(patsubst %.c,$(B)/%.o,$(wildcard test/$(1)/*.c)) $(FAKES) $(call libs_of,$(1)) \
    $(if $(filter protocol,$(1)),$(DESCRIBE_C:build/%.c=$(B)/%.o))
	$$(CC) $$(LDFLAGS) $$(filter %.o,$$^) $(call libs_of,$(1)) $(LDLIBS) -lcriterion -o $$@
endef
UNIT_FOLDERS := $(foreach f,$(FOLDERS),$(if $(wildcard test/$(f)/*_test.c),$(f)))
$(foreach f,$(UNIT_FOLDERS),$(eval $(call unit_rules,$(f))))

unit: build/.need-test $(foreach f,$(UNIT_FOLDERS),$(B)/test/$(f)_tests)
	tools/run-unit $(foreach f,$(UNIT_FOLDERS),$(B)/test/$(f)_tests)

fmt: build/.need-check
	clang-format -i $$(git ls-files '*.c' '*.h')

clean:
	rm -rf build

-include $(shell find build -name '*.d' 2>/dev/null)
