// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "partition/figures.hpp"

#include "core/log.hpp"
#include "core/text.hpp"
#include "partition/training_graph.hpp"

#include <algorithm>

namespace tessera::partition {
namespace {

using graph::PartFigures;

constexpr std::size_t kPartsToList = 32;

// Counts the queries of parts first .. first+count-1.
class Counter {
 public:
  Counter(std::vector<PartFigures>& figures, const Assignment& assignment, std::uint64_t first, std::uint64_t count)
      : figures_(&figures),
        assignment_(&assignment),
        first_(first),
        count_(count),
        is_halo_(count * assignment.size()) {}

  void add(EntityId source, EntityId target) {
    const PartId part = (*assignment_)[source.index()];
    if (part.value() < first_ || part.value() >= first_ + count_) return;
    PartFigures& figures = (*figures_)[part.index()];
    ++figures.queries;
    if ((*assignment_)[target.index()] == part) return;
    ++figures.cut_queries;
    const auto mark =
        is_halo_.begin() + static_cast<std::ptrdiff_t>((part.value() - first_) * assignment_->size() + target.value());
    if (*mark) return;
    *mark = true;
    ++figures.halo_rows;
  }

 private:
  std::vector<PartFigures>* figures_;
  const Assignment* assignment_;
  std::uint64_t first_;
  std::uint64_t count_;
  std::vector<bool> is_halo_;
};

std::string beside(const std::string& value, const std::string& random) {
  return random.empty() ? value : fmt::format("{} (random {})", value, random);
}

std::string percent(double fraction) { return fmt::format("{:.2f} %", 100 * fraction); }

double cut_of(const PartFigures& part) {
  return part.queries == 0 ? 0 : static_cast<double>(part.cut_queries) / static_cast<double>(part.queries);
}

std::uint64_t halo_sum(const std::vector<PartFigures>& figures) {
  std::uint64_t sum = 0;
  for (const PartFigures& part : figures) sum += part.halo_rows;
  return sum;
}

void log_parts(const graph::PartitionManifest& manifest) {
  for (std::size_t p = 0; p < manifest.figures.size(); ++p) {
    const PartFigures& part = manifest.figures[p];
    const bool compare = !manifest.random_figures.empty();
    const std::string random_halo = compare ? text::with_thousands(manifest.random_figures[p].halo_rows) : "";
    log::info("part {}: {} rows, {} queries, {} cut, {} halo rows", p, text::with_thousands(part.rows),
              text::with_thousands(part.queries), percent(cut_of(part)),
              beside(text::with_thousands(part.halo_rows), random_halo));
  }
}

}  // namespace

std::vector<PartFigures> measure(const graph::GraphReader& reader, const Assignment& assignment, std::uint64_t parts,
                                 const MeasureSettings& settings) {
  std::vector<PartFigures> figures(parts);
  for (const PartId part : assignment) ++figures[part.index()].rows;
  const std::uint64_t group = std::clamp<std::uint64_t>(settings.block_bytes * 8 / assignment.size(), 1, parts);
  for (std::uint64_t first = 0; first < parts; first += group) {
    Counter counter(figures, assignment, first, std::min(group, parts - first));
    const auto count = [&](const Triple& triple) {
      counter.add(triple.head, triple.tail);
      counter.add(triple.tail, triple.head);
    };
    const auto prefetch = [&](const Triple& triple) {
      __builtin_prefetch(&assignment[triple.head.index()]);
      __builtin_prefetch(&assignment[triple.tail.index()]);
    };
    scan_triples(reader, graph::Split::kTrain, settings.title, count, prefetch);
  }
  return figures;
}

void log_figures(const graph::PartitionManifest& manifest) {
  const auto& figures = manifest.figures;
  const auto& random = manifest.random_figures;
  const auto compared = [&](auto figure) {
    return beside(figure(figures), random.empty() ? std::string() : figure(random));
  };
  if (figures.size() <= kPartsToList) log_parts(manifest);
  log::info("cut {}", compared([](const auto& f) { return percent(graph::cut_fraction(f)); }));
  log::info("balance, largest part over mean: rows {}, queries {}",
            compared([](const auto& f) { return fmt::format("{:.3f}", graph::row_balance(f)); }),
            compared([](const auto& f) { return fmt::format("{:.3f}", graph::query_balance(f)); }));
  log::info("halo rows of all parts {}", compared([](const auto& f) { return text::with_thousands(halo_sum(f)); }));
}

}  // namespace tessera::partition
