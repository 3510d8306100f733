// A program in C that compiles models: sample inspect MODEL, sample quantize MODEL OUT, sample verify MODEL OUT.
//
// It prints what the command prints: results on standard output, the rest on standard error.
#include <fp8c.h>

#include <stdio.h>
#include <string.h>

static void print_event(void *context, const fp8c_event *event) {
  (void)context;
  switch (event->kind) {
  case FP8C_RESULT: fputs(event->text, stdout); break;
  case FP8C_NOTE:
  case FP8C_DIAGNOSTIC: fprintf(stderr, "%s\n", event->text); break;
  case FP8C_PROGRESS: break;
  }
}

int main(int count, char **arguments) {
  if (count < 3) {
    fprintf(stderr, "usage: %s inspect|quantize|verify MODEL [OUT]\n", arguments[0]);
    return 64;
  }
  const char *what = arguments[1], *output = count > 3 ? arguments[3] : "out.onnx";
  if (fp8c_job_new(NULL) != NULL || fp8c_job_inspect(NULL) != 64) return 70;
  fp8c_job *job = fp8c_job_new(arguments[2]);
  fp8c_job_observe(job, print_event, NULL);
  int status = fp8c_job_set(job, "scale-method", "unit_scale");
  if (status == 0 && strcmp(what, "inspect") == 0) status = fp8c_job_inspect(job);
  else if (status == 0 && strcmp(what, "quantize") == 0) status = fp8c_job_quantize(job, output);
  else if (status == 0 && strcmp(what, "verify") == 0) status = fp8c_job_verify(job, output, NULL, 0);
  if (status != 0) fprintf(stderr, "%s\n", fp8c_job_error(job));
  fp8c_job_free(job);
  return status;
}
