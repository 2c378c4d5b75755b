mod broken;
mod good;
mod recording;
mod story;
