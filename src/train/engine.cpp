// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "train/engine.hpp"

#include "comm/agreement.hpp"
#include "core/fault.hpp"
#include "core/parallel.hpp"
#include "core/text.hpp"

#include <algorithm>
#include <cmath>

namespace tessera::train {
namespace {

using exchange::RowsExchange;

RowsExchange::Capacity exchange_capacity(const graph::PartitionManifest& manifest, const Job& job) {
  const StepSchedule schedule(manifest, job.train.batch_size);
  RowsExchange::Capacity capacity;
  for (std::uint32_t p = 0; p < manifest.part_count(); ++p) {
    const std::uint64_t queries = schedule.largest_share(PartId(p));
    const std::uint64_t own = manifest.rows(PartId(p));
    capacity.remote.push_back(std::min(queries + job.negatives.count, manifest.entity_count - own));
    capacity.own.push_back(std::min(2 * queries + job.negatives.count, own));
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
  if (job.negatives.unbiased)
    objective.shift =
        static_cast<float>(std::log(static_cast<double>(entity_count) / static_cast<double>(job.negatives.count)));
  objective.norm = model::find_norm(job.regulariser.name);
  objective.norm_weight = static_cast<float>(job.regulariser.weight);
  return objective;
}

}  // namespace

std::vector<std::uint64_t> halo_rows(const graph::Shard& shard, const Job& job) {
  const RowsExchange::Capacity capacity = exchange_capacity(shard.manifest, job);
  std::vector<std::uint64_t> rows;
  for (const graph::Part& part : shard.parts) rows.push_back(capacity.remote[part.id().index()]);
  return rows;
}

Engine::Engine(comm::Communicator& comm, const graph::Shard& shard, const Job& job, model::Parameters& parameters,
               std::size_t threads, const kernels::Backend& backend, memory::Pool& pool)
    : comm_(comm),
      shard_(shard),
      parameters_(parameters),
      backend_(backend),
      threads_(threads),
      seed_(job.run.seed),
      own_part_only_(job.negatives.scope == "part"),
      schedule_(shard.manifest, job.train.batch_size),
      objective_(make_objective(job, shard.manifest.entity_count)),
      optimiser_(job.optimiser),
      exchange_(comm, shard, parameters, exchange_capacity(shard.manifest, job), job.exchange.staleness > 0, pool),
      step_(shard, parameters, largest_batches(shard, schedule_), job.negatives.count, threads, backend, pool),
      relation_sum_(comm, shard.placement, schedule_.largest_share(), parameters.relations().rows,
                    parameters.relations().cols, pool) {
  for (const graph::PartFigures& part : shard.manifest.figures) query_count_ += part.queries;
  for (std::size_t slot = 0; slot < batches_.size(); ++slot) {
    for (const graph::Part& part : shard.parts) {
      owned_batches_.push_back(std::make_unique<Batch>(shard.manifest, part.id(), schedule_.largest_share(part.id()),
                                                       job.negatives.count, pool));
      batches_[slot].push_back(owned_batches_.back().get());
      requests_[slot].push_back(&owned_batches_.back()->rows());
    }
  }
  for (std::size_t p = 0; p < shard.parts.size(); ++p)
    updates_.emplace_back(exchange_.arrival_capacity(p), parameters.dim(), pool);
  losses_.resize(shard.parts.size());
  all_losses_.resize(shard.manifest.part_count());
  for (std::int32_t r = 0; r < comm.size(); ++r)
    loss_counts_.push_back((shard.placement.end_part(Rank(r)).value() - shard.placement.first_part(Rank(r)).value()) *
                           sizeof(double));
}

double Engine::run_epoch(std::uint32_t epoch, Progress* progress) {
  std::fill(losses_.begin(), losses_.end(), 0.0);
  prime(epoch);
  std::uint64_t done = 0;
  for (std::uint64_t step = 0; step < schedule_.steps(); ++step) {
    run_step(epoch, step);
    done += schedule_.size(step);
    if (progress != nullptr && progress->due()) {
      double sum = 0;
      for (const double loss : losses_) sum += loss;
      const double own_queries = static_cast<double>(done) * static_cast<double>(losses_.size()) /
                                 static_cast<double>(shard_.manifest.part_count());
      const std::uint64_t before = query_count_ * epoch;
      progress->update((before + done) / 2, fmt::format("epoch {}, loss about {:.4f}", epoch + 1, sum / own_queries));
    }
  }
  return mean_loss();
}

void Engine::draw(std::uint32_t epoch, std::uint64_t step) {
  const auto slot = batches(step % RowsExchange::kSlots);
  parallel_for(slot.size(), threads_, [&](std::size_t p) {
    const PartId part = shard_.parts[p].id();
    slot[p]->draw(shard_.parts[p],
                  {seed_, epoch, step, schedule_.begin(part, step), schedule_.begin(part, step + 1), own_part_only_});
  });
}

// Fills the pipeline: the first two batches, and the rows of the first one. Every epoch starts with fresh rows, so that
// an epoch depends on nothing but the parameters before it.
void Engine::prime(std::uint32_t epoch) {
  for (std::uint64_t step = 0; step < std::min<std::uint64_t>(2, schedule_.steps()); ++step) {
    draw(epoch, step);
    exchange_.post_requests(step, requests_[step]);
  }
  exchange_.finish_requests(0);
  exchange_.begin_rows(0, RowsExchange::kNone);
  exchange_.patch_rows(0);
}

void Engine::run_step(std::uint32_t epoch, std::uint64_t step) {
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
  step_.compute(batches(slot), objective_, schedule_.size(step), losses_, exchange_);
  step_.sum_by_row(batches(slot), slot, objective_, schedule_.size(step), exchange_);
  update(slot, epoch, step);
  if (has_next) exchange_.patch_rows(next);
}

void Engine::update(std::size_t slot, std::uint32_t epoch, std::uint64_t step) {
  exchange_.exchange_gradients(slot);
  bool failed = !std::all_of(losses_.begin(), losses_.end(), [](double loss) { return std::isfinite(loss); });
  const exchange::SparseRows relations = relation_sum_.sum(step_.leaves(), failed);
  if (failed)
    throw comm::AgreedError(ExitStatus::kBadData,
                            fmt::format("the loss is not a finite number at epoch {}, step {}; lower "
                                        "optimiser.learning_rate or model.init_scale",
                                        epoch + 1, step + 1));
  parallel_for(updates_.size(), threads_, [&](std::size_t p) {
    updates_[p].apply(backend_, optimiser_, exchange_.arrived(slot, p), parameters_.parts()[p]);
  });
  optimiser_.apply(backend_, relations.rows, relations.ids, parameters_.relations(), parameters_.relation_state());
}

double Engine::mean_loss() {
  comm_.all_gather(std::as_bytes(std::span(losses_)), std::as_writable_bytes(std::span(all_losses_)), loss_counts_);
  return exchange::tree_sum(all_losses_) / static_cast<double>(query_count_);
}

}  // namespace tessera::train
