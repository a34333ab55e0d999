#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""The benchmark's samples as one table, as JSON, and as a picture.

    table.py --out DIR [--small] [--part] MODE...     reads DIR/MODE.samples, writes DIR/bench.json and DIR/bench.svg

A sample is a line of the guest's: "sample ROW VARIANT VALUE" (tests/bench/meter.c). Figures are medians with minimum
and maximum; a goal is a quotient of two medians of one run. Without --part each goal must have been measured.
"""
import argparse
import json
import pathlib
import statistics
import subprocess
import sys

# What a row is about; {unit} is instructions or ns.
ROWS = {
    "map-2m": ("MAP_DMA of 2 MiB extents", "{unit}/GiB"),
    "map-4k": ("MAP_DMA of single blocks", "{unit}/GiB"),
    "unmap-2m": ("UNMAP_DMA of 2 MiB extents", "{unit}/GiB"),
    "unmap-4k": ("UNMAP_DMA of single blocks", "{unit}/GiB"),
    "fence": ("fence, 2 MiB extents", "{unit}/GiB"),
    "rdma-register": ("register with soft RoCE", "{unit}/GiB"),
    "rdma-deregister": ("deregister with soft RoCE", "{unit}/GiB"),
    "memory of a lease with one run": ("memory of a lease with one run", "bytes"),
    "memory of a run": ("memory of a run", "bytes"),
}

# (what, row, variant, the best of these peers, how: the quotient that is reached for, or None)
STOCK_2M = ["hugetlbfs", "thp", "device-dax"]
STOCK_RDMA = ["anonymous, 4 KiB", "anonymous, THP"]
STATES = ["write", "punch", "fallocate", "truncate"]
GOALS = [
    ("map: best stock / lease", "map-2m", STOCK_2M, "lease", ">=", 10),
    ("map, single blocks: stock / lease", "map-4k", ["anonymous"], "lease", ">=", 1),
    ("map, single blocks: stock, scattered / lease", "map-4k", ["anonymous, scattered"], "lease", ">=", 1),
    ("unmap: best stock / lease", "unmap-2m", STOCK_2M, "lease", ">=", 10),
    ("unmap, single blocks: stock / lease", "unmap-4k", ["anonymous"], "lease", ">=", 10),
    ("fence / iommu_unmap", "fence", ["ACK, mapped"], "iommu_unmap", "<=", 1.2),
    ("RDMA registration: best stock / lease", "rdma-register", STOCK_RDMA, "lease", ">=", 1),
    ("RDMA write: lease / stock", "RDMA write of 64 KiB", ["lease"], "anonymous, 4 KiB", "<=", 1.01),
    ("RDMA read: lease / stock", "RDMA read of 64 KiB", ["lease"], "anonymous, 4 KiB", "<=", 1.01),
    ("device DMA: leased / stock memory", "device writes 2 KiB", ["leased memory"], "stock memory", "<=", 1.01),
    ("others, idle: one hooked function", "others: one hooked function", ["idle"], "not loaded", "<=", 1.0005),
] + [("others, idle: %s" % s, "others: " + s, ["idle"], "not loaded", "<=", 1.01) for s in STATES] \
  + [("others, armed: %s" % s, "others: " + s, ["armed"], "not loaded", "<=", 1.01) for s in STATES]


def read(path):
    rows, last = {}, ""
    for line in path.read_text().splitlines():
        fields = line.split("\t")
        last = fields[0]
        if last == "sample":
            rows.setdefault(fields[1], {}).setdefault(fields[2], []).append(float(fields[3]))
    if last != "end":
        sys.exit(f"{path}: the run did not come to its end")
    return rows


def figures(values):
    return {"median": statistics.median(values), "min": min(values), "max": max(values), "n": len(values)}


def verdicts(rows, part):
    """Quotients of medians; of several peers the cheapest counts."""
    out = []
    for what, row, tops, bottom, how, goal in GOALS:
        have = rows.get(row, {})
        if bottom not in have or not all(t in have for t in tops):
            if part:
                continue
            sys.exit(f"{what}: not measured")
        top = min(have[t]["median"] for t in tops)
        value = top / have[bottom]["median"]
        out.append({"what": what, "value": value, "goal": f"{how} {goal}",
                    "reached": value >= goal if how == ">=" else value <= goal})
    return out


def growth(rows):
    """For rows whose variants are numbers: the largest over the smallest of the medians."""
    out = []
    for row, variants in rows.items():
        if len(variants) < 2 or not all(v.isdigit() for v in variants):
            continue
        order = sorted(variants, key=int)
        first, last = variants[order[0]]["median"], variants[order[-1]]["median"]
        out.append({"what": row, "from": int(order[0]), "to": int(order[-1]), "value": last / first if first else 0})
    return out


def number(x):
    return f"{x:,.0f}" if x >= 100 else f"{x:.1f}"


def cell(have, row, variant):
    f = have.get(row, {}).get(variant)
    if not f:
        return f"{'-':>15} {'':>33}"
    return f"{number(f['median']):>15} [{number(f['min']):>15} {number(f['max']):>15}]"


def table(result):
    modes = list(result)
    units = {"icount": "instructions", "wall": "ns"}
    keys = []
    for mode in modes:
        for row, variants in result[mode]["rows"].items():
            keys += [(row, v) for v in variants if (row, v) not in keys]
    order = list(dict.fromkeys(row for row, _ in keys))
    keys.sort(key=lambda k: order.index(k[0]))
    print(f"{'':58}" + "".join(f"{m + ': ' + units[m] + ', median [min max]':>50}" for m in modes))
    row = None
    for r, variant in keys:
        if r != row:
            row = r
            what, unit = ROWS.get(r, (r, ""))
            print(what + (", " + unit.format(unit="instructions or ns") if unit else ""))
        print(f"    {variant:54}" + "".join(" " + cell(result[m]["rows"], r, variant) for m in modes))
    for mode in modes:
        print(f"\nquotients of medians, {mode}")
        for v in result[mode]["goals"]:
            print(f"    {v['what']:54} {v['value']:15.3f}   goal {v['goal']:10} {'reached' if v['reached'] else 'MISSED'}")
        for g in result[mode]["growth"]:
            print(f"    {g['what']:54} {g['value']:15.3f}   from {g['from']} to {g['to']}")


def picture(result, out):
    """Bars per kind of memory: map and unmap, executed instructions (or ns) per GiB."""
    mode = next(iter(result))
    rows = result[mode]["rows"]
    lines = []
    for variant in ["lease", "hugetlbfs", "thp", "device-dax"]:
        pair = [rows.get(r, {}).get(variant) for r in ("map-2m", "unmap-2m")]
        if all(pair):
            lines.append(f'"{variant}" ' + " ".join(f"{p['median']} {p['min']} {p['max']}" for p in pair))
    if not lines:
        return
    (out / "bench.dat").write_text("\n".join(lines) + "\n")
    unit = "instructions" if mode == "icount" else "ns"
    script = f"""
set terminal svg noenhanced size 800,480 font "sans,14"
set output "{out}/bench.svg"
set title "VFIO_IOMMU_MAP_DMA and UNMAP_DMA of 2 MiB extents"
set ylabel "{unit} per GiB"
set logscale y
set yrange [1e4:*]
set format y "10^{{%T}}"
set grid y
set style data histograms
set style histogram errorbars gap 1
set style fill solid 0.7 border -1
plot "{out}/bench.dat" using 2:3:4:xtic(1) title "map", "" using 5:6:7 title "unmap"
"""
    subprocess.run(["gnuplot"], input=script, text=True, check=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--part", action="store_true")
    parser.add_argument("modes", nargs="+")
    args = parser.parse_args()
    result = {}
    for mode in args.modes:
        samples = read(args.out / f"{mode}.samples")
        rows = {r: {v: figures(x) for v, x in variants.items()} for r, variants in samples.items()}
        few = [f"{r}: {v}" for r in rows for v in rows[r] if rows[r][v]["n"] < 5]
        if few and not args.small:
            sys.exit(f"fewer than 5 measurements: {', '.join(few)}")
        result[mode] = {"rows": rows, "goals": verdicts(rows, args.part), "growth": growth(rows)}
    (args.out / "bench.json").write_text(json.dumps(result, indent=1) + "\n")
    if args.small:
        print("Sizes of a trial: these figures say nothing but that the benchmark runs.\n")
    table(result)
    picture(result, args.out)


main()
