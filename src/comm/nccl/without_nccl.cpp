// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
// NCCL in a build without CUDA: there is no device to call it with.
#include "comm/nccl/nccl_communicator.hpp"
#include "core/error.hpp"

namespace tessera::comm {

bool built_with_nccl() { return false; }

std::unique_ptr<DeviceCommunicator> make_nccl_communicator(Communicator& /*host*/, device::Device /*device*/,
                                                           std::chrono::seconds /*watchdog*/) {
  fail(ExitStatus::kUsage, "built without CUDA: this program has no NCCL; build it with 'cmake --preset cuda'");
}

}  // namespace tessera::comm
