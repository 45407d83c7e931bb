// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "checkpoint/checkpoint.hpp"
#include "comm/nccl/nccl_communicator.hpp"
#include "comm/self/self_communicator.hpp"
#include "comm/thread/thread_communicator.hpp"
#include "core/job.hpp"
#include "memory/pool.hpp"
#include "support/graph_fixture.hpp"
#include "train/engine.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <cmath>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

// Small training runs on devices, or on the host.
namespace tessera::test {

struct DeviceRun {
  std::string digest;
  std::vector<double> losses;
};

/// How many of a run's ranks compute on a device, and the links between these: then the rank's number is that of its
/// device. Without links all ranks are on the first one.
struct DeviceRanks {
  int count = 0;
  comm::DeviceCommunicator* links = nullptr;
};

/// Three epochs of one rank, as job.run.device says.
inline DeviceRun train_rank(comm::Communicator& comm, const StoredGraph& stored, const Job& job,
                            const DeviceRanks& devices) {
  constexpr std::uint64_t kPoolBytes = std::uint64_t{128} << 20U;
  memory::Pool pool(kPoolBytes);
  std::optional<memory::DevicePool> device_pool;
  if (job.run.device == "cuda")
    device_pool.emplace(device::Device::open(devices.links == nullptr ? 0 : comm.rank().value()), kPoolBytes);
  const graph::Shard shard = stored.load(comm.rank(), comm.size(), pool);
  model::Parameters parameters(shard, job.model, model::state_shape(job.optimiser.name), pool,
                               train::row_memory(shard, job));
  const auto engine = train::make_engine({comm, shard, job, parameters, 1, kernels::cpu_backend(), pool,
                                          sampling::count_items(comm, shard, job),
                                          device_pool ? &*device_pool : nullptr, devices.links, devices.count});
  parameters.initialise(job.model, job.run.seed);
  DeviceRun result;
  for (std::uint32_t epoch = 0; epoch < 3; ++epoch) result.losses.push_back(engine->run_epoch(epoch));
  engine->download_parameters();
  result.digest = checkpoint::parameter_digest(comm, shard, parameters);
  return result;
}

inline DeviceRun train_alone(const StoredGraph& stored, const Job& job) {
  const auto self = comm::make_self_communicator();
  return train_rank(*self, stored, job, {job.run.device == "cuda" ? 1 : 0});
}

enum class TwoRanks { kShareADevice, kHaveOneEach, kOneOnTheCpu };

/// That of rank 0; with kOneOnTheCpu rank 1 is on the cores.
inline DeviceRun train_two(const StoredGraph& stored, const Job& job, TwoRanks how) {
  DeviceRun result;
  comm::run_ranks(2, [&](comm::Communicator& comm) {
    std::unique_ptr<comm::DeviceCommunicator> links;
    if (how == TwoRanks::kHaveOneEach)
      links = comm::make_nccl_communicator(comm, device::Device::open(comm.rank().value()), std::chrono::seconds(60));
    Job own = job;
    if (how == TwoRanks::kOneOnTheCpu && comm.rank() == Rank(1)) own.run.device = "cpu";
    const DeviceRun mine = train_rank(comm, stored, own, {how == TwoRanks::kOneOnTheCpu ? 1 : 2, links.get()});
    if (comm.is_root()) result = mine;
  });
  return result;
}

inline void expect_near(const DeviceRun& a, const DeviceRun& b, double relative) {
  for (std::size_t epoch = 0; epoch < a.losses.size(); ++epoch)
    EXPECT_NEAR(a.losses[epoch], b.losses[epoch], relative * std::abs(b.losses[epoch])) << "epoch " << epoch + 1;
}

}  // namespace tessera::test
