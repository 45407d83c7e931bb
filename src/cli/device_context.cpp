// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "cli/device_context.hpp"

#include "comm/agreement.hpp"
#include "core/log.hpp"
#include "core/text.hpp"
#include "evaluate/device_counts.hpp"
#include "predict/device_best.hpp"

#include <utility>

namespace tessera::cli {
namespace {

train::DeviceShare find_device(const Job& job, const comm::Communicator& comm) {
  try {
    return train::find_device(job, comm.rank_on_host(), comm.ranks_on_host());
  } catch (const Error& error) {
    if (error.status() != ExitStatus::kUsage) throw;
    fail(error.status(), "{}; run.device=cpu does it on the host", error.what());
  }
}

}  // namespace

std::optional<train::DeviceShare> open_device(Environment& environment, const Job& job) {
  if (job.run.device == "cpu") return std::nullopt;
  comm::Communicator& comm = environment.comm;
  return comm::together(comm, [&] {
    train::DeviceShare share = find_device(job, comm);
    if (environment.is_root())
      log::info("device: {}, {} of its memory for each rank ({}), products {}", share.device.properties().name,
                text::bytes(share.bytes), share.source, job.run.products);
    return std::optional(std::move(share));
  });
}

evaluate::MakeCounts make_counts(std::optional<memory::DevicePool>& pool, const Job& job,
                                 std::vector<kernels::ConstDeviceMatrix> lent_rows) {
  if (!pool) return {};
  return evaluate::device_counts(*pool, train::find_products(job.run.products), std::move(lent_rows));
}

predict::MakeBest make_best(std::optional<memory::DevicePool>& pool, const Job& job) {
  if (!pool) return {};
  return predict::device_best(*pool, train::find_products(job.run.products));
}

}  // namespace tessera::cli
