// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "device/stream.hpp"

#include "device/cuda/check.hpp"

namespace tessera::device {
namespace {

bool is_done(cudaError_t query, const char* call) {
  if (query == cudaErrorNotReady) {
    (void)cudaGetLastError();  // no error, but the check after the next launch would find it
    return false;
  }
  check_cuda(query, call);
  return true;
}

}  // namespace

void StreamView::synchronize() const {
  make_current(device_);
  TESSERA_CUDA_TRY(cudaStreamSynchronize(handle_));
}

bool StreamView::is_done() const {
  make_current(device_);
  return device::is_done(cudaStreamQuery(handle_), "cudaStreamQuery");
}

void StreamView::wait_for(EventView event) const {
  make_current(device_);
  TESSERA_CUDA_TRY(cudaStreamWaitEvent(handle_, event.handle(), 0));
}

Stream::Stream(Device device) : device_(device) {
  make_current(device);
  TESSERA_CUDA_TRY(cudaStreamCreateWithFlags(&handle_, cudaStreamNonBlocking));
}

Stream::~Stream() {
  if (handle_ != nullptr) (void)cudaStreamDestroy(handle_);
}

bool EventView::is_done() const { return device::is_done(cudaEventQuery(handle_), "cudaEventQuery"); }

Event::Event(Device device, Clock clock) {
  make_current(device);
  TESSERA_CUDA_TRY(
      cudaEventCreateWithFlags(&handle_, clock == Clock::kTiming ? cudaEventDefault : cudaEventDisableTiming));
}

Event::~Event() {
  if (handle_ != nullptr) (void)cudaEventDestroy(handle_);
}

void Event::record(StreamView stream) {
  make_current(stream.device());
  TESSERA_CUDA_TRY(cudaEventRecord(handle_, stream.handle()));
}

void Event::synchronize() const { TESSERA_CUDA_TRY(cudaEventSynchronize(handle_)); }

double Event::seconds_since(const Event& start) const {
  float milliseconds = 0;
  TESSERA_CUDA_TRY(cudaEventElapsedTime(&milliseconds, start.handle_, handle_));
  return static_cast<double>(milliseconds) / 1000;
}

}  // namespace tessera::device
