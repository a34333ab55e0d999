#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# First program of the test guest: makes /mnt/dax on the NVDIMM, gives the edu (but one) and NVMe
# devices to vfio-pci, runs the command it was given, and powers off. Started by tests/vm/boot; not for a host.
# From the environment: DAXLEASE_FS (ext4, xfs), DAXLEASE_KERNEL, DAXLEASE_MODULES (root of lib/modules).
#
# What is built into the shell or into busybox is taken from there: to start a program takes a third of a second in the
# debug kernel.
set -u
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C
[ "$$" = 1 ] || { echo "guest.sh: only as the first program of a guest" >&2; exit 2; }
off() { sync; echo "guest: off"; busybox poweroff -f; }
trap off EXIT

busybox sh -c '
	mount -t tmpfs t /run
	mount -t debugfs d /sys/kernel/debug
	mount -t tracefs t /sys/kernel/tracing 2>/dev/null
	mkdir -p /dev/virtio-ports /dev/pts /mnt/dax
	mount -t devpts d /dev/pts'
for p in /sys/class/virtio-ports/*; do
	read -r name 2>/dev/null <"$p/name" && ln -sf "../${p##*/}" "/dev/virtio-ports/$name"
done
export DAXLEASE_RESULTS=/dev/virtio-ports/org.daxlease.results

fail()
{
	printf 'boot\tFAIL\t%s\n' "$*" >"$DAXLEASE_RESULTS"
	echo "guest: $*" >&2
	exit 1
}

cd /proc/sys/kernel || fail "no /proc/sys"
echo 0 >printk_ratelimit; echo 30 >hung_task_timeout_secs; echo -1 >hung_task_warnings
# With all its checks, emulated and short of processors, the debug kernel is at "rdma link add" alone for more than the 20 s
# that it takes for a lockup. What really locks up is found by the limits of the cases.
[ "$DAXLEASE_KERNEL" != debug ] || echo 60 >watchdog_thresh
cd /
[ -e /sys/bus/pci/drivers/vfio-pci ] || fail "modules are missing"
[ -e /dev/pmem0 ] || udevadm settle 2>/dev/null
ndctl create-namespace -f -e namespace0.0 -m fsdax --map=mem >/run/ndctl 2>&1 ||
	fail "ndctl: $(tr '\n' ' ' </run/ndctl)"

# Regions are numbered as they are found: the one of that size
if [ -n "$DAXLEASE_DEVDAX" ]; then
	region=$(grep -lx "$(numfmt --from=iec "$DAXLEASE_DEVDAX")" /sys/bus/nd/devices/region*/size)
	region=$(basename "$(dirname "$region")")
	# Without -C /dev/null a modprobe override of the distribution's ndctl package hides libnvdimm.
	modprobe -C /dev/null ${DAXLEASE_MODULES:+-d "$DAXLEASE_MODULES"} device_dax || fail "modprobe device_dax"
	ndctl create-namespace -f -e "namespace${region#region}.0" -m devdax --map=mem >/run/ndctl 2>&1 ||
		fail "ndctl: $(tr '\n' ' ' </run/ndctl)"
fi

# Small, because some cases fill it up. Whole 2 MiB extents: a file's first block lands on a 2 MiB boundary of the medium.
size=$DAXLEASE_FS_SIZE
[ "$size" != all ] || size=''
case $DAXLEASE_FS in
ext4) mkfs.ext4 -q -b 4096 -E stride=512,stripe_width=512 /dev/pmem0 ${size:+"$size"} ;;
xfs) mkfs.xfs -q -f -d "su=2m,sw=1,agcount=2${size:+,size=$size}" -l size=64m /dev/pmem0 ;;
esac >/run/mkfs 2>&1 || fail "mkfs: $(tr '\n' ' ' </run/mkfs)"
# ext4 by inode: all but one file of the root directory inherit DAX.
case $DAXLEASE_FS in
ext4) mount -o dax=inode /dev/pmem0 /mnt/dax && head -c 1M /dev/zero >/mnt/dax/plain && chattr +x /mnt/dax ;;
xfs) mount -o dax=always /dev/pmem0 /mnt/dax ;;
esac || fail "mount of $DAXLEASE_FS"
# No reserve: a file that fills the filesystem has to get every block.
case $DAXLEASE_FS in
ext4) echo 0 >/sys/fs/ext4/pmem0/reserved_clusters ;;
xfs) xfs_io -x -c 'resblks 0' /mnt/dax >/dev/null ;;
esac
# XFS is not made smaller than 300 MiB. Whoever fills the free space writes and reads all of it, so most is given away.
if [ -n "$size" ]; then
	free=$(df -B1M --output=avail /mnt/dax | tail -n 1)
	fallocate -l $((free - 144))M /mnt/dax/ballast || fail "ballast of $((free - 144)) of $free MiB"
fi

# Its scans take seconds each, at times of its own. The end of the run asks for some (lib/checks.c).
[ ! -e /sys/kernel/debug/kmemleak ] || echo scan=off >/sys/kernel/debug/kmemleak

# One edu is left to modules/dl_test_importer.c.
for d in /sys/bus/pci/devices/*; do
	[ "${d##*/}" != 0000:00:1e.0 ] || continue
	read -r vendor <"$d/vendor"
	read -r device <"$d/device"
	case $vendor:$device in 0x1234:0x11e8 | 0x1b36:0x0010) ;; *) continue ;; esac
	echo vfio-pci >"$d/driver_override"
	echo "${d##*/}" >/sys/bus/pci/drivers_probe
	[ -e "$d/driver" ] || fail "${d##*/} was not bound to vfio-pci"
done

read -r up _ </proc/uptime
printf 'boot\tok\t%s\t%s\n' "$up" "$(uname -r)" >"$DAXLEASE_RESULTS"
"$@"
