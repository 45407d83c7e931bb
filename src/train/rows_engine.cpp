// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "train/rows_engine.hpp"

#include "core/error.hpp"
#include "core/fault.hpp"
#include "core/parallel.hpp"
#include "core/text.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

namespace tessera::train {
namespace {

using exchange::RowsExchange;

StepSchedule make_schedule(const graph::PartitionManifest& manifest, const Job& job) {
  std::vector<std::uint64_t> queries;
  for (const graph::PartFigures& part : manifest.figures) queries.push_back(part.queries);
  return {std::move(queries), job.train.batch_size};
}

std::uint64_t negative_count(const graph::PartitionManifest& manifest, const Job& job) {
  return job.negatives.scope == "all" ? manifest.entity_count : job.negatives.count;
}

RowsExchange::Capacity exchange_capacity(const graph::PartitionManifest& manifest, const Job& job) {
  const StepSchedule schedule = make_schedule(manifest, job);
  RowsExchange::Capacity capacity;
  for (std::uint32_t p = 0; p < manifest.part_count(); ++p) {
    const std::uint64_t queries = schedule.largest_share(PartId(p));
    const std::uint64_t own = manifest.rows(PartId(p));
    capacity.remote.push_back(std::min(queries + negative_count(manifest, job), manifest.entity_count - own));
    capacity.own.push_back(std::min(2 * queries + negative_count(manifest, job), own));
  }
  return capacity;
}

std::vector<std::uint64_t> largest_batches(const graph::Shard& shard, const StepSchedule& schedule) {
  std::vector<std::uint64_t> most;
  for (const graph::Part& part : shard.parts) most.push_back(schedule.largest_share(part.id()));
  return most;
}

Objective make_objective(const Job& job, std::uint64_t entity_count) {
  Objective objective;
  if (job.negatives.unbiased && job.negatives.scope != "all")
    objective.loss.shift =
        static_cast<float>(std::log(static_cast<double>(entity_count) / static_cast<double>(job.negatives.count)));
  objective.loss.kind = find_loss(job.loss.name);
  objective.loss.margin = static_cast<float>(job.loss.margin);
  objective.loss.temperature = static_cast<float>(job.loss.temperature);
  objective.regulariser = model::find_regulariser(job.regulariser);
  return objective;
}

}  // namespace

std::vector<std::uint64_t> RowsEngine::halo_rows(const graph::Shard& shard, const Job& job) {
  const RowsExchange::Capacity capacity = exchange_capacity(shard.manifest, job);
  std::vector<std::uint64_t> rows;
  for (const graph::Part& part : shard.parts) rows.push_back(capacity.remote[part.id().index()]);
  return rows;
}

RowsEngine::RowsEngine(const EngineSetup& setup)
    : comm_(setup.comm),
      shard_(setup.shard),
      parameters_(setup.parameters),
      backend_(setup.backend),
      threads_(setup.threads),
      seed_(setup.job.run.seed),
      scope_(find_scope(setup.job.negatives.scope)),
      schedule_(make_schedule(shard_.manifest, setup.job)),
      objective_(make_objective(setup.job, shard_.manifest.entity_count)),
      optimiser_(setup.job.optimiser, setup.job.schedule),
      exchange_(comm_, shard_, parameters_, exchange_capacity(shard_.manifest, setup.job),
                setup.job.exchange.staleness > 0, setup.pool),
      dropout_(setup.job, parameters_, threads_, setup.pool),
      step_(shard_, parameters_, dropout_, largest_batches(shard_, schedule_),
            negative_count(shard_.manifest, setup.job), threads_, backend_, setup.pool),
      relation_sum_(comm_, shard_.placement, schedule_.largest_share(), parameters_.relations().rows,
                    relation_gradient_dim(parameters_), setup.pool),
      relation_step_(parameters_, schedule_.largest_share() * shard_.manifest.part_count(), threads_, backend_,
                     setup.pool),
      loss_(comm_, shard_) {
  const graph::Shard& shard = shard_;
  const std::uint64_t negatives = negative_count(shard_.manifest, setup.job);
  for (const graph::PartFigures& part : shard.manifest.figures) query_count_ += part.queries;
  for (std::size_t slot = 0; slot < batches_.size(); ++slot) {
    for (const graph::Part& part : shard.parts) {
      owned_batches_.push_back(std::make_unique<Batch>(shard.manifest, part.id(), schedule_.largest_share(part.id()),
                                                       negatives, setup.pool));
      batches_[slot].push_back(owned_batches_.back().get());
      requests_[slot].push_back(&owned_batches_.back()->rows());
    }
  }
  for (std::size_t p = 0; p < shard.parts.size(); ++p)
    updates_.emplace_back(exchange_.arrival_capacity(p), parameters_.dim(), setup.pool);
}

std::string RowsEngine::description() const {
  const std::uint64_t count = batches_[0].front()->negatives();
  if (scope_ == Scope::kAll) return fmt::format("moves rows; all {} entities are candidates", count);
  return fmt::format("moves rows; {} negatives of {} per part and step", count,
                     scope_ == Scope::kPart ? "the own part" : "all entities");
}

double RowsEngine::run_epoch(std::uint32_t epoch, Progress* progress) {
  loss_.start();
  prime(epoch);
  std::uint64_t done = 0;
  for (std::uint64_t step = 0; step < schedule_.steps(); ++step) {
    run_step(epoch, step);
    done += schedule_.size(step);
    if (progress != nullptr && progress->due()) {
      const std::uint64_t before = query_count_ * epoch;
      progress->update((before + done) / 2,
                       fmt::format("epoch {}, loss about {:.4f}", epoch + 1, loss_.mean_so_far(done)));
    }
  }
  return loss_.mean(query_count_);
}

void RowsEngine::draw(std::uint32_t epoch, std::uint64_t step) {
  const auto slot = batches(step % RowsExchange::kSlots);
  parallel_for(slot.size(), threads_, [&](std::size_t p) {
    const PartId part = shard_.parts[p].id();
    slot[p]->draw(shard_.parts[p],
                  {seed_, epoch, step, schedule_.begin(part, step), schedule_.begin(part, step + 1), scope_});
  });
}

// Fills the pipeline: the first two batches, and the rows of the first one. Every epoch starts with fresh rows, so that
// an epoch depends on nothing but the parameters before it.
void RowsEngine::prime(std::uint32_t epoch) {
  for (std::uint64_t step = 0; step < std::min<std::uint64_t>(2, schedule_.steps()); ++step) {
    draw(epoch, step);
    exchange_.post_requests(step, requests_[step]);
  }
  exchange_.finish_requests(0);
  exchange_.begin_rows(0, RowsExchange::kNone);
  exchange_.patch_rows(0);
}

void RowsEngine::run_step(std::uint32_t epoch, std::uint64_t step) {
  const std::size_t slot = step % RowsExchange::kSlots;
  const std::size_t next = (step + 1) % RowsExchange::kSlots;
  const std::size_t after = (step + 2) % RowsExchange::kSlots;
  const bool has_next = step + 1 < schedule_.steps();
  exchange_.finish_rows(slot);
  if (has_next) {
    exchange_.finish_requests(next);
    exchange_.begin_rows(next, slot);
  }
  if (step + 2 < schedule_.steps()) {
    draw(epoch, step + 2);
    exchange_.post_requests(after, requests_[after]);
  }
  fault_point("train.step", comm_.rank());
  for (const Batch* batch : batches(slot)) relation_step_.need(batch->by_relation().ids());
  relation_step_.make_operators();
  step_.compute(batches(slot), objective_, schedule_.size(step), loss_.by_part(), exchange_);
  step_.sum_by_row(batches(slot), slot, objective_, schedule_.size(step), exchange_);
  update(slot, epoch, step);
  if (has_next) exchange_.patch_rows(next);
}

void RowsEngine::update(std::size_t slot, std::uint32_t epoch, std::uint64_t step) {
  exchange_.exchange_gradients(slot);
  bool failed = !loss_.is_finite();
  const exchange::SparseRows relations = relation_sum_.sum(step_.leaves(), failed);
  if (failed) fail_not_finite(epoch, step);
  optimiser_.begin_step(epoch * schedule_.steps() + step, schedule_.steps());
  parallel_for(updates_.size(), threads_, [&](std::size_t p) {
    updates_[p].apply(backend_, optimiser_, exchange_.arrived(slot, p), parameters_.parts()[p]);
  });
  relation_step_.update(relations, optimiser_);
}

}  // namespace tessera::train
