// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "core/error.hpp"
#include "execution/executor.hpp"

namespace tessera::execution {
namespace {

void wait_quietly(device::StreamView stream) noexcept {
  try {
    stream.synchronize();
  } catch (const Error&) {
    // The error was reported before, and no work is pending.
  }
}

}  // namespace

DeviceExecutor::Executor(memory::DevicePool& pool, const Options& options)
    : pool_(pool),
      waiter_(options.waiter),
      work_(pool.device()),
      copies_(pool.device()),
      workspace_(pool.allocate<std::byte>(memory::Tag::kWorkspace,
                                          kernels::workspace_bytes(options.products, options.largest))),
      kernels_(kernels::make_device_kernels(work_.view(), options.products, workspace_.span())) {}

DeviceExecutor::~Executor() {
  wait_quietly(work_.view());
  wait_quietly(copies_.view());
}

void DeviceExecutor::synchronize() const {
  if (waiter_ == nullptr) return stream().synchronize();
  waiter_->wait(stream());
}

void DeviceExecutor::wait(const device::Event& event) const {
  if (waiter_ == nullptr) return event.synchronize();
  waiter_->wait(event.view());
}

}  // namespace tessera::execution
