"""The page with the button, the page to sign in, and the URLs of python-social-auth."""

from accounts.models import KuCoinKey
from django.contrib.auth.decorators import login_required
from django.contrib.auth.views import LoginView
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import include, path
from django.views.decorators.cache import never_cache


@login_required
@never_cache
def home(request: HttpRequest) -> HttpResponse:
    """Show the user's keys and a button to connect an account."""
    return render(request, "home.html", {"keys": KuCoinKey.objects.filter(user=request.user.pk)})


urlpatterns = [
    path("", home, name="home"),
    path("login", LoginView.as_view(template_name="login.html"), name="login"),
    path("", include("social_django.urls", namespace="social")),
]
