// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "exchange/rows_exchange_check.hpp"

#include "core/random.hpp"
#include "exchange/rows/early_halo_rows.hpp"
#include "exchange/rows/gradient_return.hpp"
#include "exchange/rows/ordered_halo_rows.hpp"
#include "execution/staged_transport.hpp"
#include "model/parameters.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <memory>
#include <set>
#include <vector>

namespace tessera::test {
namespace {

using exchange::HaloRows;
using exchange::RowDemand;
using exchange::RowRequests;
using execution::HostThreads;
using kernels::Space;

constexpr std::uint64_t kSteps = 9;
constexpr std::size_t kDim = 4;
constexpr std::uint64_t kMostOccurrences = 24;

// What a part touches in a step. Steps 3 and 4 touch nothing in every third part; a few entities are touched often.
std::vector<std::uint64_t> occurrences(std::uint64_t entities, std::uint64_t step, std::uint32_t part) {
  if ((step == 3 || step == 4) && part % 3 == 0) return {};
  const RandomStream stream(11, Purpose::kInit, static_cast<std::uint32_t>(step), part);
  std::vector<std::uint64_t> out;
  for (std::uint64_t i = 0; i < kMostOccurrences - step; ++i)
    out.push_back(stream.below(i, i % 3 == 0 ? std::min<std::uint64_t>(5, entities) : entities));
  return out;
}

// The version of an entity after the first `steps` steps: one more than the last step that touched it, or 0.
std::uint64_t version(std::uint64_t entities, std::uint32_t parts, std::uint64_t entity, std::uint64_t steps) {
  for (std::uint64_t step = steps; step-- > 0;)
    for (std::uint32_t part = 0; part < parts; ++part) {
      const auto touched = occurrences(entities, step, part);
      if (std::find(touched.begin(), touched.end(), entity) != touched.end()) return step + 1;
    }
  return 0;
}

class Pipeline {
 public:
  Pipeline(comm::Communicator& comm, const StoredGraph& stored, bool stale, RowsWay way)
      : shard_(stored.load(comm.rank(), comm.size(), pool_)),
        stale_(stale),
        parameters_(shard_, model(), model::StateShape::kNone, pool_,
                    {std::vector<std::uint64_t>(shard_.parts.size(), kMostOccurrences)}),
        executor_(pool_, kernels::cpu_backend(),
                  HostThreads(1, way == RowsWay::kEarly ? HostThreads::Cut::kBlocks : HostThreads::Cut::kNone)),
        memory_(executor_, kMostOccurrences),
        transport_(make_transport(comm, way)),
        demand_(comm, shard_, sizes(), pool_),
        halo_(make_halo(comm, way)),
        returns_({executor_, memory_, demand_, transport_.get(), kDim}) {
    for (std::size_t slot = 0; slot < RowDemand::kSlots; ++slot)
      for (const graph::Part& part : shard_.parts) {
        owned_.push_back(std::make_unique<RowRequests>(shard_.manifest, part.id(), kMostOccurrences, pool_));
        requests_.at(slot).push_back(owned_.back().get());
      }
    for (const model::PartTable& table : parameters_.parts())
      for (std::size_t row = 0; row < table.rows.rows; ++row) set(table, row, 0);
  }

  void run() {
    post(0);
    post(1);
    finish_demand(0);
    halo_->begin(0, HaloRows<Space::kHost>::kNone, lists_[0]);
    halo_->patch(0, lists_[0]);
    for (std::uint64_t step = 0; step < kSteps; ++step) {
      const bool has_next = step + 1 < kSteps;
      halo_->finish(slot(step));
      if (has_next) {
        finish_demand(step + 1);
        halo_->begin(slot(step + 1), slot(step), lists_.at(slot(step + 1)));
      }
      if (step + 2 < kSteps) post(step + 2);
      expect_rows(step);
      returns_.start(slot(step));
      fill_gradients(step);
      returns_.exchange(0);
      expect_gradients(step);
      if (has_next) halo_->patch(slot(step + 1), lists_.at(slot(step + 1)));
    }
  }

 private:
  static Job::Model model() {
    Job::Model model;
    model.dim = kDim;
    return model;
  }
  [[nodiscard]] exchange::RowSizes sizes() const {
    const std::vector<std::uint64_t> most(shard_.manifest.part_count(), kMostOccurrences);
    return {most, most};
  }
  [[nodiscard]] std::unique_ptr<comm::RankTransport<Space::kHost>> make_transport(comm::Communicator& comm,
                                                                                  RowsWay way) {
    if (way != RowsWay::kStaged) return std::make_unique<comm::HostTransport>(comm);
    const exchange::RowTotals totals = exchange::row_totals(shard_, sizes());
    return std::make_unique<execution::StagedTransport<Space::kHost>>(
        comm, executor_, pool_,
        std::max(exchange::OrderedHaloRows<Space::kHost>::largest_bytes(totals, kDim * sizeof(float)),
                 exchange::GradientReturn<Space::kHost>::largest_bytes(totals, kDim * sizeof(float))));
  }
  [[nodiscard]] std::unique_ptr<HaloRows<Space::kHost>> make_halo(comm::Communicator& comm, RowsWay way) {
    std::vector<kernels::StoredRows> tables;
    for (const model::PartTable& table : parameters_.parts()) tables.push_back(table.rows_and_spare);
    using Early = exchange::EarlyHaloRows;
    using Ordered = exchange::OrderedHaloRows<Space::kHost>;
    if (way == RowsWay::kEarly)
      return std::make_unique<Early>(Early::Setup{comm, shard_, demand_, tables, stale_}, pool_);
    return std::make_unique<Ordered>(
        Ordered::Setup{executor_, memory_, shard_, demand_, tables, transport_.get(), stale_}, sizes());
  }
  static std::size_t slot(std::uint64_t step) { return step % RowDemand::kSlots; }
  [[nodiscard]] std::uint64_t entities() const { return shard_.manifest.entity_count; }
  [[nodiscard]] std::uint64_t entity(PartId part, std::uint64_t row) const {
    return shard_.manifest.offsets[part.index()] + row;
  }
  void set(const model::PartTable& table, std::size_t row, std::uint64_t to) const {
    float* values = table.rows.matrix().row(row);
    values[0] = static_cast<float>(entity(table.part, row));
    values[1] = static_cast<float>(to);
    values[2] = -1;
    values[3] = 0.5F;
  }

  void post(std::uint64_t step) {
    for (std::size_t p = 0; p < shard_.parts.size(); ++p)
      requests_.at(slot(step))[p]->build(occurrences(entities(), step, shard_.parts[p].id().value()));
    demand_.post(slot(step), requests_.at(slot(step)));
  }

  void finish_demand(std::uint64_t step) {
    demand_.finish(slot(step));
    auto& asked = lists_.at(slot(step)).asked;
    asked.clear();
    for (std::size_t q = 0; q < shard_.parts.size(); ++q) asked.push_back(demand_.asked(slot(step), q));
  }

  // Own rows are always the newest; those of other parts are one step older with staleness.
  void expect_rows(std::uint64_t step) const {
    const std::uint32_t parts = shard_.manifest.part_count();
    for (std::size_t p = 0; p < shard_.parts.size(); ++p) {
      const PartId part = shard_.parts[p].id();
      const auto touched = occurrences(entities(), step, part.value());
      for (std::size_t i = 0; i < touched.size(); ++i) {
        const bool own = shard_.manifest.owner(EntityId(touched[i])) == part;
        const std::uint64_t steps = own || !stale_ || step == 0 ? step : step - 1;
        const float* row =
            parameters_.parts()[p].rows_and_spare.matrix().row(requests_.at(slot(step))[p]->table_rows()[i]);
        ASSERT_EQ(row[0], static_cast<float>(touched[i])) << "step " << step << ", part " << part.value();
        ASSERT_EQ(row[1], static_cast<float>(version(entities(), parts, touched[i], steps)))
            << "entity " << touched[i] << " read by part " << part.value() << " in step " << step;
        ASSERT_EQ(row[3], 0.5F);
      }
    }
  }

  void fill_gradients(std::uint64_t step) const {
    for (std::size_t p = 0; p < shard_.parts.size(); ++p) {
      const RowRequests& rows = *requests_.at(slot(step))[p];
      for (std::uint32_t q = 0; q < shard_.manifest.part_count(); ++q) {
        const kernels::Matrix block = returns_.block(p, PartId(q));
        ASSERT_EQ(block.rows, rows.count(PartId(q)));
        for (std::size_t i = 0; i < block.rows; ++i) {
          block.row(i)[0] = static_cast<float>(rows.entities()[rows.owner_begin(PartId(q)) + i]);
          block.row(i)[1] = static_cast<float>(step);
          block.row(i)[2] = static_cast<float>(shard_.parts[p].id().value());
          block.row(i)[3] = 0.25F;
        }
      }
    }
  }

  // And the update: every row that got a gradient is now of the next version.
  void expect_gradients(std::uint64_t step) const {
    for (std::size_t q = 0; q < shard_.parts.size(); ++q) {
      const PartId owner = shard_.parts[q].id();
      const kernels::ConstMatrix arrived = returns_.arrived(q);
      const auto rows = demand_.asked(slot(step), q);
      std::size_t at = 0;
      for (std::uint32_t part = 0; part < shard_.manifest.part_count(); ++part) {
        const auto touched = occurrences(entities(), step, part);
        for (const std::uint64_t id : std::set<std::uint64_t>(touched.begin(), touched.end())) {
          if (shard_.manifest.owner(EntityId(id)) != owner) continue;
          ASSERT_LT(at, rows.size());
          ASSERT_EQ(entity(owner, rows[at]), id) << "step " << step << ", from part " << part;
          const float* gradient = arrived.row(at++);
          const std::vector<float> expected = {static_cast<float>(id), static_cast<float>(step),
                                               static_cast<float>(part), 0.25F};
          ASSERT_EQ(std::vector<float>(gradient, gradient + kDim), expected);
        }
      }
      ASSERT_EQ(at, rows.size());
      ASSERT_EQ(at, arrived.rows);
      for (const std::uint32_t row : rows) set(parameters_.parts()[q], row, step + 1);
    }
  }

  memory::Pool pool_{std::uint64_t{16} << 20U};
  graph::Shard shard_;
  bool stale_;
  model::Parameters parameters_;
  execution::HostExecutor executor_;
  execution::StepMemory<Space::kHost> memory_;
  std::unique_ptr<comm::RankTransport<Space::kHost>> transport_;
  RowDemand demand_;
  std::unique_ptr<HaloRows<Space::kHost>> halo_;
  exchange::GradientReturn<Space::kHost> returns_;
  std::array<exchange::RowDemandLists<Space::kHost>, RowDemand::kSlots> lists_;
  std::vector<std::unique_ptr<RowRequests>> owned_;
  std::array<std::vector<RowRequests*>, RowDemand::kSlots> requests_;
};

}  // namespace

void check_rows_exchange(comm::Communicator& comm, const StoredGraph& stored, bool stale, RowsWay way) {
  Pipeline(comm, stored, stale, way).run();
}

}  // namespace tessera::test
