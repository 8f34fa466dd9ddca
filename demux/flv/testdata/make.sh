#!/bin/sh
# Makes the FLV files in this directory. They are committed, so that the tests
# need neither ffmpeg nor GStreamer:
#   apt-get install -y ffmpeg gstreamer1.0-tools gstreamer1.0-plugins-good \
#     gstreamer1.0-plugins-ugly gstreamer1.0-libav
set -eu
cd "$(dirname "$0")"

picture='testsrc2=size=128x96:rate=25:duration=1'
ff() { ffmpeg -hide_banner -loglevel error -y "$@"; }

ff -f lavfi -i "$picture" -f lavfi -i 'sine=440:sample_rate=44100:duration=1' \
	-c:v libx264 -preset veryfast -bf 2 -g 25 -b:v 100k -c:a aac -b:a 32k -ac 1 -f flv h264_aac.flv
ff -f lavfi -i "$picture" -f lavfi -i 'sine=440:sample_rate=8000:duration=1' \
	-c:v libx264 -preset veryfast -tune zerolatency -g 25 -b:v 100k -c:a pcm_alaw -ac 1 -f flv h264_alaw.flv
ff -f lavfi -i 'sine=440:sample_rate=44100:duration=1' -c:a libmp3lame -b:a 32k -ac 1 -f flv mp3.flv
ff -f lavfi -i 'sine=440:sample_rate=11025:duration=0.5' -c:a pcm_s16le -ac 1 -f flv pcm.flv

gst-launch-1.0 -q flvmux name=mux streamable=true ! filesink location=gst_h264_aac.flv \
	videotestsrc num-buffers=25 ! video/x-raw,width=128,height=96,framerate=25/1 ! \
	x264enc tune=zerolatency speed-preset=ultrafast key-int-max=25 bitrate=100 ! h264parse ! mux. \
	audiotestsrc num-buffers=43 samplesperbuffer=1024 ! audio/x-raw,rate=44100,channels=1 ! \
	avenc_aac bitrate=32000 ! aacparse ! mux.
