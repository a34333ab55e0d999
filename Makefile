# SPDX-License-Identifier: GPL-2.0
#
# The verbs of the project. `make help` lists them.
#
# Kernel modules are built in build/RELEASE/, never in the source tree, so that several kernels can be
# built for side by side:  make modules KDIR=/path/to/kernel/build

KDIR ?= $(addprefix /usr/src/linux-headers-,$(shell tests/vm/boot --release))
REL = $(shell $(MAKE) -s --no-print-directory -C $(KDIR) kernelrelease)
OUT = $(CURDIR)/build/$(REL)
NPROC := $(shell nproc)

.PHONY: all picture deps modules userspace tests test-modules demo demo-qemu demo-rdma check bench mutants torture demo-now demo-qemu-now demo-rdma-now install packages clean help
all: modules userspace

help:
	@echo "make demo       install what is needed, build, show the module at work in a virtual machine"
	@echo "make demo-qemu  the same for an unmodified QEMU: ends with the timeline of a live snapshot"
	@echo "make demo-rdma  the same for RDMA, with the programs of Debian's perftest"
	@echo "make check      install what is needed, build, run every test; last line: the verdict"
	@echo "make bench      what leases cost, measured in a virtual machine beside what they are compared with"
	@echo "make mutants    build wrong versions of the modules; each must make a test fail (an hour)"
	@echo "make torture    everything at once under a device that writes: MINUTES=10, SEED=1, FS=xfs, debug kernel;"
	@echo "                CASE=removal-unload-under-load: the module, loaded and unloaded without end"
	@echo "make            build modules and user space (make deps installs what that needs)"
	@echo "make modules    daxlease.ko and the drop-ins, vfio_iommu_type1 and rdma_rxe, in build/RELEASE/"
	@echo "                KDIR=DIR: for another kernel than the newest 6.12 that is installed"
	@echo "make userspace  libdaxlease and daxlease, in build/userspace/"
	@echo "make install    install user space, manual pages, udev rule (DESTDIR=, prefix=/usr/local)"
	@echo "make packages   Debian packages, the modules as DKMS source among them, in build/packages/"
	@echo "make clean      remove build/"

deps:
	@tests/deps

modules:
	@test -d "$(KDIR)" || { echo "no kernel headers: run make deps, or set KDIR"; exit 1; }
	@mkdir -p $(OUT)/core
	@cp -ru Kbuild module uapi $(OUT)/core/
	$(MAKE) -j$(NPROC) -C $(KDIR) M=$(OUT)/core W=1 modules
	@cp $(OUT)/core/daxlease.ko $(OUT)/
	@cmp -s $(OUT)/core/Module.symvers $(OUT)/Module.symvers || cp $(OUT)/core/Module.symvers $(OUT)/
	module/dropin vfio_type1 KDIR=$(KDIR) OUT=$(OUT)/vfio_type1 SYMVERS=$(OUT)/Module.symvers STOCK=$(CURDIR)/build/linux-source
	module/dropin rxe KDIR=$(KDIR) OUT=$(OUT)/rxe SYMVERS=$(OUT)/Module.symvers STOCK=$(CURDIR)/build/linux-source
	@cp $(OUT)/vfio_type1/vfio_iommu_type1.ko $(OUT)/rxe/rdma_rxe.ko $(OUT)/

userspace:
	$(MAKE) -j$(NPROC) -C userspace O=$(CURDIR)/build/userspace

install:
	$(MAKE) -C userspace O=$(CURDIR)/build/userspace install

# In a copy, so that nothing is written beside the sources.
packages:
	@rm -rf build/packages
	@mkdir -p build/packages/source
	@cp -r Kbuild Makefile README.md Documentation.md module uapi userspace debian build/packages/source/
	cd build/packages/source && env -u MAKEFLAGS -u MAKELEVEL dpkg-buildpackage -b -us -uc

tests: test-modules
	$(MAKE) -j$(NPROC) -C tests/vm

# Of the guest alone: what a case needs a module for
test-modules:
	@test -d "$(KDIR)" || { echo "no kernel headers: run make deps, or set KDIR"; exit 1; }
	@mkdir -p $(OUT)/tests
	@cp -u tests/vm/modules/* $(OUT)/tests/
	$(MAKE) -j$(NPROC) -C $(KDIR) M=$(OUT)/tests W=1 modules

# What a person types: a second make, so that KDIR is looked for after the headers have come.
demo: deps
	@$(MAKE) --no-print-directory demo-now

demo-qemu: deps
	@$(MAKE) --no-print-directory demo-qemu-now

demo-rdma: deps
	@$(MAKE) --no-print-directory demo-rdma-now

demo-now: all tests
	@tests/vm/run --demo

demo-qemu-now: all tests
	@tests/vm/run --demo=qemu --fs xfs

demo-rdma-now: all tests
	@tests/vm/run --demo=rdma --fs xfs

check: deps
	@tests/check

bench: deps
	@$(MAKE) --no-print-directory modules >/dev/null
	@tests/bench/run

mutants: deps
	@tests/mutants/run

# From a run: what is in the repository may be older than the code, never other than it was.
picture: all tests
	tests/vm/run --fs xfs --verbose timeline-of-a-break | tests/vm/timeline >timeline.svg.new
	mv timeline.svg.new timeline.svg

torture: MINUTES = 10
torture: SEED = 1
torture: FS = xfs
torture: CASE = torture-writes-nothing-astray
torture: deps
	@$(MAKE) --no-print-directory all tests
	@dir=$$(tests/vm/debug-kernel) && $(MAKE) --no-print-directory -s modules test-modules KDIR="$$dir/build"
	@tests/vm/run --kernel debug --fs $(FS) --minutes $(MINUTES) --seed $(SEED) --verbose $(CASE)

clean:
	rm -rf build
