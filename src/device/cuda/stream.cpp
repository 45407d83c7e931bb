// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "device/stream.hpp"

#include "device/cuda/check.hpp"

namespace tessera::device {
namespace {

bool is_done(cudaError_t query, const char* call) {
  if (query == cudaErrorNotReady) return false;
  check_cuda(query, call);
  return true;
}

}  // namespace

void StreamView::synchronize() const {
  const DeviceScope scope(device_);
  TESSERA_CUDA_TRY(cudaStreamSynchronize(handle_));
}

bool StreamView::is_done() const {
  const DeviceScope scope(device_);
  return device::is_done(cudaStreamQuery(handle_), "cudaStreamQuery");
}

void StreamView::wait_for(EventView event) const {
  const DeviceScope scope(device_);
  TESSERA_CUDA_TRY(cudaStreamWaitEvent(handle_, event.handle(), 0));
}

Stream::Stream(Device device) : device_(device) {
  const DeviceScope scope(device);
  TESSERA_CUDA_TRY(cudaStreamCreateWithFlags(&handle_, cudaStreamNonBlocking));
}

Stream::~Stream() {
  if (handle_ != nullptr) (void)cudaStreamDestroy(handle_);
}

bool EventView::is_done() const { return device::is_done(cudaEventQuery(handle_), "cudaEventQuery"); }

Event::Event(Device device, Clock clock) {
  const DeviceScope scope(device);
  TESSERA_CUDA_TRY(
      cudaEventCreateWithFlags(&handle_, clock == Clock::kTiming ? cudaEventDefault : cudaEventDisableTiming));
}

Event::~Event() {
  if (handle_ != nullptr) (void)cudaEventDestroy(handle_);
}

void Event::record(StreamView stream) {
  const DeviceScope scope(stream.device());
  TESSERA_CUDA_TRY(cudaEventRecord(handle_, stream.handle()));
}

void Event::synchronize() const { TESSERA_CUDA_TRY(cudaEventSynchronize(handle_)); }

double Event::seconds_since(const Event& start) const {
  float milliseconds = 0;
  TESSERA_CUDA_TRY(cudaEventElapsedTime(&milliseconds, start.handle_, handle_));
  return static_cast<double>(milliseconds) / 1000;
}

}  // namespace tessera::device
