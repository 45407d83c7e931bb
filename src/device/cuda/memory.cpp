// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "device/memory.hpp"

#include "core/error.hpp"
#include "core/log.hpp"
#include "device/cuda/check.hpp"

#include <mutex>

namespace tessera::device {
namespace {

void enqueue_copy(const void* from, void* to, std::size_t from_bytes, std::size_t to_bytes, StreamView stream) {
  TESSERA_ASSERT(from_bytes == to_bytes, "both sides of a copy have the same size");
  if (from_bytes == 0) return;
  make_current(stream.device());
  TESSERA_CUDA_TRY(cudaMemcpyAsync(to, from, from_bytes, cudaMemcpyDefault, stream.handle()));
}

}  // namespace

Block::Block(Device device, std::uint64_t bytes) : device_(device) {
  make_current(device);
  void* memory = nullptr;
  TESSERA_CUDA_TRY(cudaMalloc(&memory, bytes));
  span_ = {static_cast<std::byte*>(memory), bytes};
}

Block::~Block() {
  if (!span_.empty()) (void)cudaFree(span_.data());
}

// Memory that a container or a limit keeps from being pinned is copied by the driver through memory of its own. Copies
// stay right: whoever reuses pinned memory waits for an event first.
Registration::Registration(Device device, std::span<std::byte> memory) : device_(device) {
  if (memory.empty()) return;
  make_current(device);
  const cudaError_t status = cudaHostRegister(memory.data(), memory.size(), cudaHostRegisterPortable);
  if (status == cudaSuccess) {
    memory_ = memory;
    return;
  }
  (void)cudaGetLastError();  // it must not surface at the next kernel
  static std::once_flag said;
  std::call_once(said, [&] {
    log::warning("device {}: memory of the host cannot be pinned: {} ({}); copies are slower", device.index(),
                 cudaGetErrorString(status), cudaGetErrorName(status));
  });
}

Registration::~Registration() {
  if (!memory_.empty()) (void)cudaHostUnregister(memory_.data());
}

void copy_bytes(std::span<const std::byte> from, Span<std::byte> to, StreamView stream) {
  enqueue_copy(from.data(), to.data(), from.size(), to.size(), stream);
}

void copy_bytes(Span<const std::byte> from, std::span<std::byte> to, StreamView stream) {
  enqueue_copy(from.data(), to.data(), from.size(), to.size(), stream);
}

void copy_bytes(Span<const std::byte> from, Span<std::byte> to, StreamView stream) {
  enqueue_copy(from.data(), to.data(), from.size(), to.size(), stream);
}

void clear_bytes(Span<std::byte> memory, StreamView stream) {
  if (memory.empty()) return;
  make_current(stream.device());
  TESSERA_CUDA_TRY(cudaMemsetAsync(memory.data(), 0, memory.size(), stream.handle()));
}

void clear_bytes(Span<std::byte> memory, Device device) {
  if (memory.empty()) return;
  const Stream own(device);  // the default stream would not be ordered with those of the caller
  clear_bytes(memory, own.view());
  own.view().synchronize();
}

}  // namespace tessera::device
