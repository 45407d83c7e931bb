// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
// The whole of this module in a build without CUDA: no device can be opened, so nothing else can be made.
#include "core/error.hpp"
#include "device/device.hpp"
#include "device/memory.hpp"
#include "device/stream.hpp"

namespace tessera::device {
namespace {

[[noreturn]] void refuse() {
  fail(ExitStatus::kUsage, "built without CUDA: this program cannot use a GPU; build it with 'cmake --preset cuda'");
}

}  // namespace

bool built_with_cuda() { return false; }
int device_count() { refuse(); }
Device Device::open(int /*index*/) { refuse(); }
Properties Device::properties() const { refuse(); }
std::uint64_t Device::free_bytes() const { refuse(); }

void StreamView::synchronize() const { refuse(); }
bool StreamView::is_done() const { refuse(); }
void StreamView::wait_for(EventView /*event*/) const { refuse(); }
Stream::Stream(Device device) : device_(device) { refuse(); }
Stream::~Stream() = default;

bool EventView::is_done() const { refuse(); }
Event::Event(Device /*device*/, Clock /*clock*/) { refuse(); }
Event::~Event() = default;
void Event::record(StreamView /*stream*/) { refuse(); }
void Event::synchronize() const { refuse(); }
double Event::seconds_since(const Event& /*start*/) const { refuse(); }

Block::Block(Device device, std::uint64_t /*bytes*/) : device_(device) { refuse(); }
Block::~Block() = default;
Registration::Registration(Device device, std::span<std::byte> /*memory*/) : device_(device) { refuse(); }
Registration::~Registration() = default;

void copy_bytes(std::span<const std::byte> /*from*/, Span<std::byte> /*to*/, StreamView /*stream*/) { refuse(); }
void copy_bytes(Span<const std::byte> /*from*/, std::span<std::byte> /*to*/, StreamView /*stream*/) { refuse(); }
void copy_bytes(Span<const std::byte> /*from*/, Span<std::byte> /*to*/, StreamView /*stream*/) { refuse(); }
void clear_bytes(Span<std::byte> /*memory*/, StreamView /*stream*/) { refuse(); }
void clear_bytes(Span<std::byte> /*memory*/, Device /*device*/) { refuse(); }

}  // namespace tessera::device
